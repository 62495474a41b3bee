//! Files of every kind, good and bad.

use super::*;

fn read(text: &str) -> Result<Run, String> {
    let path = Path::new("run.csv");
    super::read(path, text.as_bytes(), Beside::default()).map_err(|error| error.to_string())
}

const OURS: &str =
    "request_type,name,response_time,status,intended_ns,sent_ns,replied_ns,user,warm_up,error\n";

#[test]
fn reads_the_three_columns_of_the_article() {
    let run =
        read("request_type,name,response_time\nKAFKA,createOrder,3.271\nKAFKA,createOrder,4\n")
            .unwrap();
    assert_eq!(run.latencies_ms, [3.271, 4.0]);
    assert_eq!((run.failures, run.throughput), (0, None));
    assert_eq!(run.label, "run");
}

#[test]
fn leaves_out_warm_up_and_counts_failures() {
    let run = read(&format!(
        "{OURS}KAFKA,createOrder,9,ok,0,0,9000000,0,true,\n\
         KAFKA,createOrder,4,ok,1000000000,1000000000,1004000000,0,false,\n\
         KAFKA,createOrder,,timeout,1100000000,1100000000,,0,false,no reply\n\
         KAFKA,createOrder,5,ok,2000000000,2000000000,2005000000,0,false,\n"
    ))
    .unwrap();
    assert_eq!(run.latencies_ms, [4.0, 5.0]);
    assert_eq!((run.failures, run.warm_up), (1, 1));
    assert_eq!(run.throughput, Some(1.0));
}

#[test]
fn a_cut_off_last_line_is_left_out_with_a_warning() {
    let run =
        read("request_type,name,response_time\nKAFKA,createOrder,3\nKAFKA,createOrder,31").unwrap();
    assert_eq!(run.latencies_ms, [3.0]);
    assert!(
        run.warnings[0].text.contains("line 3"),
        "{:?}",
        run.warnings
    );
    let run = read("request_type,name,response_time\nKAFKA,createOrder,3\nKAF").unwrap();
    assert_eq!(run.latencies_ms, [3.0]);
}

#[test]
fn bad_files_are_refused_with_their_place() {
    let seed = "request_type,name,response_time\n";
    for (text, expected) in [
        (String::new(), "run.csv is empty"),
        (
            "a,b\n1,2\n".into(),
            "run.csv line 1: no column request_type",
        ),
        ("request_type,name\nK,c\n".into(), "no column response_time"),
        (seed.into(), "run.csv has no measured request"),
        (
            format!("{seed}K,c,3\nK,c,fast\n"),
            "run.csv line 3, column response_time: expected milliseconds, zero or more, found \"fast\"",
        ),
        (format!("{seed}K,c,NaN\n"), "found \"NaN\""),
        (format!("{seed}K,c,inf\n"), "found \"inf\""),
        (format!("{seed}K,c,-1\n"), "found \"-1\""),
        (format!("{seed}K,c,\n"), "found \"\""),
        (
            format!("{seed}K,c\nK,c,3\n"),
            "line 2: 2 fields where the header has 3",
        ),
        (
            format!("{OURS}K,c,4,ok,0,0,4,0,maybe,\n"),
            "column warm_up: expected true or false",
        ),
        (format!("{OURS}K,c,4,ok,0,x,4,0,false,\n"), "column sent_ns"),
        (
            format!("{OURS}K,c,4,ok,0,0,4,0,true,\n"),
            "only 1 of the warm-up",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(expected), "{error} / {expected}");
    }
}

#[test]
fn a_run_of_failures_only_is_read() {
    let run = read(&format!("{OURS}K,c,,timeout,0,0,,0,false,no reply\n")).unwrap();
    assert_eq!((run.latencies_ms.len(), run.failures), (0, 1));
}

#[test]
fn files_from_spreadsheets_are_accepted() {
    let run = read("\u{feff}request_type,name,response_time\r\nK,c,3\r\nK,c,4\r\n").unwrap();
    assert_eq!(run.latencies_ms, [3.0, 4.0]);
    assert!(
        run.warnings
            .iter()
            .all(|warning| !warning.text.contains("cut off"))
    );
}

#[test]
fn a_separator_of_another_kind_is_named() {
    let error = read("request_type;name;response_time\nK;c;3\n").unwrap_err();
    assert!(error.contains("separated by ';'"), "{error}");
    let error = read("request_type\tname\tresponse_time\nK\tc\t3\n").unwrap_err();
    assert!(error.contains("separated by a tab"), "{error}");
}

#[test]
fn a_file_packed_with_gzip_reads_like_the_unpacked_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = format!("\u{feff}{OURS}K,c,4,ok,0,0,4000000,0,false,\nK,c,5,ok,0,7,9,0,false,\n");
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast());
    encoder.read_to_end(&mut packed).unwrap();
    std::fs::write(at("run.csv"), text).unwrap();
    // The content decides, not the name.
    for name in ["run.csv.gz", "run.log"] {
        std::fs::write(at(name), &packed).unwrap();
    }
    std::fs::write(at("run.json"), r#"{"run_id": "seven"}"#).unwrap();
    let [plain, packed, log] = ["run.csv", "run.csv.gz", "run.log"].map(|name| read_run(&at(name)));
    let (plain, packed) = (plain.unwrap(), packed.unwrap());
    assert_eq!(packed.latencies_ms, [4.0, 5.0]);
    assert_eq!(packed.digest, plain.digest, "copies are known as such");
    assert_eq!(
        (&*packed.label, packed.run_id.as_deref()),
        ("run", Some("seven"))
    );
    assert_eq!(log.unwrap().latencies_ms, [4.0, 5.0]);
}

/// Makes lines that shrink to less than a hundredth, which no real run does.
fn made_to_fill_the_memory() -> Vec<u8> {
    let line = b"K,c,3\n";
    let lines = line.repeat(ALWAYS_ALLOWED as usize / line.len());
    let text = [b"request_type,name,response_time\n", &*lines].concat();
    let mut packed = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(&*text, flate2::Compression::best());
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

#[test]
fn a_file_made_to_fill_the_memory_is_refused_from_a_pipe_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let packed = made_to_fill_the_memory();
    let (file, pipe) = (folder.path().join("run.csv.gz"), folder.path().join("pipe"));
    std::fs::write(&file, &packed).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        // The reader closes the pipe before the end.
        move || drop(std::fs::write(pipe, packed))
    });
    for path in [file, pipe] {
        let error = format!("{:#}", anyhow::Error::from(read_run(&path).unwrap_err()));
        assert!(error.contains("unpacks to more than 100 times"), "{error}");
    }
    writer.join().unwrap();
}

/// The window of such a summary is ignored with the rest of it.
#[test]
fn the_window_of_a_summary_of_another_run_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.csv");
    let second = |number: u64| number * 1_000_000_000;
    let line = |at: u64| {
        let (sent, replied) = (second(at), second(at) + 4_000_000);
        format!("K,c,4,ok,{sent},{sent},{replied},0,false,\n")
    };
    let text = [OURS.to_owned(), line(2), line(3), line(4)].concat();
    std::fs::write(&path, text).unwrap();
    let read = |requests: u64| {
        let summary = format!(
            r#"{{"run_id": "x", "ended_by": "run_time", "summary": {{"total": {{"requests": {requests}}}}},
                "plan": {{"warm_up_seconds": 1, "run_time_seconds": 11}}}}"#
        );
        std::fs::write(path.with_extension("json"), summary).unwrap();
        let run = read_run(&path).unwrap();
        (run.throughput.unwrap(), run.window_is_guessed)
    };
    assert_eq!(read(3), (0.3, false));
    // From the first to the last request, 2 s.
    assert_eq!(read(4), (1.0, true));
}

#[test]
fn other_packings_and_damage_are_told() {
    for (bytes, expected) in [
        (&[0x1f, 0x8b, 8, 0, 0, 0][..], "its gzip data is cut off"),
        (b"\x1f\x8bis not packed", "its gzip data is damaged"),
        (
            b"\x28\xb5\x2f\xfd",
            "is packed with zstd, but only gzip can be read",
        ),
    ] {
        let read = super::read(Path::new("run.csv.gz"), bytes, Beside::default());
        let error = format!("{:#}", anyhow::Error::from(read.unwrap_err()));
        assert_eq!(error.matches(expected).count(), 1, "{error}");
        assert!(error.contains("run.csv.gz"), "{error}");
    }
}

#[test]
fn replies_come_in_the_order_of_sending() {
    let run = read(&format!(
        "{OURS}K,c,1,ok,0,2000000000,0,0,false,\n\
         K,c,9,ok,0,1000000000,0,0,false,\n\
         K,c,4,ok,0,500000000,0,0,true,\n"
    ))
    .unwrap();
    assert_eq!(run.latencies_ms, [9.0, 1.0]);
    assert!(run.timeline[0].warm_up && run.timeline[0].median_ms == 4.0);
    assert_eq!(run.timeline.len(), 3);
    assert_eq!(run.kinds.iter().collect::<Vec<_>>(), ["K c"]);
}

#[test]
fn reads_locusts_log_of_requests() {
    let run = read(
        "timestamp,request_type,name,response_time_ms,response_length,status_code,exception\n\
         1700000000.500,GET,/orders,12.34,120,200,\n\
         1700000001.500,GET,/orders,10.00,120,200,\n\
         1700000002.500,GET,/orders,30.00,0,503,HTTPError(503)\n",
    )
    .unwrap();
    assert_eq!(run.latencies_ms, [12.34, 10.0]);
    assert_eq!(run.failures, 1);
    assert!((run.throughput.unwrap() - 2.0 / 2.012_34).abs() < 1e-6);
    assert_eq!(run.kinds.iter().collect::<Vec<_>>(), ["GET /orders"]);
}

#[test]
fn reads_k6s_metrics() {
    let run = read(
        "metric_name,timestamp,metric_value,check,error,error_code,expected_response,name,status\n\
         http_reqs,1700000000,1,,,,true,/orders,200\n\
         http_req_duration,1700000000,7.5,,,,true,/orders,200\n\
         vus,1700000000,10,,,,,,\n\
         http_req_duration,1700000002,6.5,,,,true,/orders,200\n\
         http_req_duration,1700000003,60000,,timeout,1050,false,/orders,0\n",
    )
    .unwrap();
    assert_eq!(run.latencies_ms, [7.5, 6.5]);
    assert_eq!(run.failures, 1);
    let error = read("metric_name,timestamp,metric_value\nvus,1700000000,10\n").unwrap_err();
    assert!(error.contains("no measured request"), "{error}");
    let error = read("metric_name,timestamp,metric_value\nhttp_req_duration,now,10\n").unwrap_err();
    assert!(error.contains("line 2, column timestamp"), "{error}");
}

/// Makes a k6 file whose names hold the URL, so that many requests are kinds of their own.
fn k6_with_kinds(requests: usize, kinds: usize) -> String {
    let mut text = String::from("metric_name,timestamp,metric_value,name\n");
    for index in 0..requests {
        let url = format!("http://a/orders/{}", index % kinds);
        text.push_str(&format!("http_req_duration,{index},1.5,{url}\n"));
    }
    text
}

#[test]
fn many_kinds_are_split_in_one_pass_and_too_many_are_told() {
    let run = read(&k6_with_kinds(5000, 500)).unwrap();
    assert_eq!((run.kinds.len(), run.parts.len()), (500, 500));
    let ten = |part: &Run| part.latencies_ms == [1.5; 10];
    assert!(run.parts.values().all(ten));
    let error = read(&k6_with_kinds(200_000, 200_000)).unwrap_err();
    assert!(
        error.contains("line 502: too many kinds to compare, more than 500; group them"),
        "{error}"
    );
    assert!(error.contains("tags: { name:"), "{error}");
}
