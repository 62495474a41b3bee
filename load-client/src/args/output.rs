//! Flags for the output of a run, its thresholds and its live page.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::args::{Misuse, values};
use crate::measure::threshold::{self, Threshold};
use crate::report::{StatsFiles, is_standard_output};

/// Further flags of `run`.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output and verdict")]
pub(crate) struct OutputArguments {
    /// Write Locust's CSV files every second; their names begin with PREFIX
    ///
    /// They are PREFIX_stats.csv, PREFIX_stats_history.csv, PREFIX_failures.csv and PREFIX_exceptions.csv.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) csv: Option<PathBuf>,
    /// Write a row per kind of request into the history of --csv
    ///
    /// The percentiles of the history are then those of the last ten seconds.
    #[arg(long)]
    pub(crate) csv_full_history: bool,
    /// Write a report as one HTML page that opens offline
    ///
    /// {u}, {r} and {t} in its name become users, spawn rate and run time in seconds. - is standard output.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the tables only at the end
    #[arg(long)]
    pub(crate) only_summary: bool,
    /// Threshold that must hold, or the run fails, such as 'p95<20ms'; repeatable
    ///
    /// 'createOrder:failures<1%' is one for a single kind of request. See below.
    #[arg(long, value_delimiter = '\n', value_name = "THRESHOLD")]
    pub(crate) fail_on: Vec<Threshold>,
    /// Write the results of the thresholds as JUnit XML, one test case per --fail-on
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Write the times of each kind of request, per second, as an HdrHistogram log (V2)
    ///
    /// The times are nanoseconds. HdrHistogram's tools and `load-client merge` read the file.
    #[arg(long, value_name = "FILE")]
    pub(crate) hdr: Option<PathBuf>,
    /// Serve live metrics for Prometheus at /metrics [without ADDRESS: 127.0.0.1:9464]
    ///
    /// Port 0 takes a free port. With --web, the last figures of a run stay until the next run begins.
    #[arg(long, num_args = 0..=1, default_missing_value = "127.0.0.1:9464", value_parser = address, value_name = "ADDRESS")]
    pub(crate) prometheus: Option<SocketAddr>,
    /// End the run as soon as a threshold is broken
    ///
    /// Rates, and counts that must be reached, are judged only at the end.
    #[arg(long)]
    pub(crate) abort_on_fail: bool,
    /// With --abort-on-fail: do not end the run before this time has passed
    #[arg(long, default_value = "0s", value_parser = values::duration_or_zero, value_name = "TIME")]
    pub(crate) abort_delay: Duration,
    #[command(flatten)]
    pub(crate) codes: ExitCodes,
}

/// Exit codes that a user may choose; 0 lets the next cause decide.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct ExitCodes {
    /// Exit code when a request failed and no threshold is about failures
    #[arg(long, default_value = "3", value_name = "CODE")]
    pub(crate) exit_code_on_error: u8,
    /// Exit code when the load client was the bottleneck, or one of several clients did not send its whole part
    #[arg(long, default_value = "5", value_name = "CODE")]
    pub(crate) exit_code_on_invalid: u8,
}

impl ExitCodes {
    /// Codes for a command that only looks at a run.
    pub(crate) fn none() -> Self {
        Self {
            exit_code_on_error: 0,
            exit_code_on_invalid: 0,
        }
    }
}

/// Refuses standard output as the prefix of file names.
pub(crate) fn refuse_stream(csv: Option<&Path>) -> Result<(), Misuse> {
    let wrong = "--csv takes a prefix for four file names, and - is standard output; name a prefix";
    match csv.is_some_and(is_standard_output) {
        true => Err(Misuse(wrong.to_owned())),
        false => Ok(()),
    }
}

/// Where the files of a run go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Files {
    /// The prefix of four file names.
    pub(crate) csv: Option<PathBuf>,
    pub(crate) requests: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    /// The path with its placeholders filled in.
    pub(crate) html: Option<PathBuf>,
    pub(crate) junit: Option<PathBuf>,
    pub(crate) hdr: Option<PathBuf>,
}

impl Files {
    /// Returns every file with its flag.
    pub(crate) fn all(&self) -> Vec<(&'static str, PathBuf)> {
        let statistics = self.csv.as_deref().map(StatsFiles::paths);
        let statistics = statistics.into_iter().flatten();
        let single = [
            ("--requests-record-file", &self.requests),
            ("--json", &self.json),
            ("--html", &self.html),
            ("--junit", &self.junit),
            ("--hdr", &self.hdr),
        ];
        let single = single.map(|(flag, path)| Some((flag, path.clone()?)));
        let all = statistics.map(|path| ("--csv", path));
        all.chain(single.into_iter().flatten()).collect()
    }
}

impl OutputArguments {
    /// Checks rules that involve more than one flag. `kinds` are the names of the request kinds, `until` are the
    /// thresholds that end a run after a stage.
    pub(crate) fn validated(&self, kinds: &[String], until: &[Threshold]) -> Result<(), Misuse> {
        unknown_kinds(&[("--fail-on", &self.fail_on), ("--until", until)], kinds)?;
        refuse_stream(self.csv.as_deref())?;
        let wrong = if self.csv_full_history && self.csv.is_none() {
            "--csv-full-history needs --csv; add --csv PREFIX"
        } else if self.abort_on_fail && self.fail_on.is_empty() {
            "--abort-on-fail needs --fail-on; add a threshold, such as --fail-on 'p95<20ms'"
        } else if self.junit.is_some() && self.fail_on.is_empty() {
            "--junit needs --fail-on; add a threshold, such as --fail-on 'p95<20ms'"
        } else if !self.abort_delay.is_zero() && !self.abort_on_fail {
            "--abort-delay needs --abort-on-fail; add it"
        } else {
            return Ok(());
        };
        Err(Misuse(wrong.to_owned()))
    }

    /// Returns the report's path with the placeholders of its name filled in. As in Locust, an unknown placeholder
    /// stays.
    pub(crate) fn html(
        &self,
        users: u32,
        spawn_rate: f64,
        run_time: Option<Duration>,
    ) -> Option<PathBuf> {
        let path = self.html.as_ref()?;
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Some(path.clone());
        };
        let seconds = run_time.map_or("{t}".to_owned(), |time| time.as_secs().to_string());
        let name = name
            .replace("{u}", &users.to_string())
            .replace("{r}", &spawn_rate.to_string())
            .replace("{t}", &seconds);
        Some(path.with_file_name(name))
    }
}

/// Refuses thresholds on kinds of request that the run does not have. Each list comes with its flag.
pub(crate) fn unknown_kinds(
    flags: &[(&str, &[Threshold])],
    kinds: &[String],
) -> Result<(), Misuse> {
    for (flag, thresholds) in flags {
        if let Some(kind) = threshold::unknown_kind(thresholds, kinds) {
            let reason = "the run has no kind of request with this name; its kinds are";
            let known = kinds.join(", ");
            return Err(Misuse(format!("{flag} {kind}:...: {reason} {known}")));
        }
    }
    Ok(())
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Live page")]
pub(crate) struct WebArguments {
    /// Serve the live page, which starts and stops runs [without ADDRESS: 127.0.0.1:8089]
    ///
    /// Port 0 takes a free port.
    #[arg(long, num_args = 0..=1, default_missing_value = "127.0.0.1:8089", value_parser = address, value_name = "ADDRESS", conflicts_with = "headless")]
    pub(crate) web: Option<SocketAddr>,
    /// Let --web listen beyond this machine
    ///
    /// The page has no login. Anyone who reaches it can send load.
    #[arg(long, requires = "web")]
    pub(crate) web_allow_remote: bool,
    /// Another host name by which browsers may open the page; repeatable
    #[arg(
        long,
        value_delimiter = '\n',
        value_name = "HOST[:PORT]",
        requires = "web"
    )]
    pub(crate) web_name: Vec<String>,
    /// With --web: start a run at once
    #[arg(long, requires = "web")]
    pub(crate) autostart: bool,
    /// With --autostart: end this many seconds after the run [default: on Ctrl-C]
    #[arg(long, value_parser = values::duration_or_zero, value_name = "SECONDS", requires = "autostart")]
    pub(crate) autoquit: Option<Duration>,
}

impl WebArguments {
    /// Returns the address of the page, or `None` without it. Fails when other machines could reach the page and
    /// `--web-allow-remote` is missing.
    pub(crate) fn address(&self) -> Result<Option<SocketAddr>, Misuse> {
        let is_open = self.web.is_some_and(|address| !address.ip().is_loopback());
        match self.web {
            Some(address) if is_open && !self.web_allow_remote => Err(Misuse(format!(
                "--web {address} can be reached from other machines, and the page has no login; \
                 add --web-allow-remote, or take 127.0.0.1"
            ))),
            address => Ok(address),
        }
    }
}

/// Parses `ADDRESS:PORT`; `localhost` is 127.0.0.1.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:");
    let address = port.map_or(text.to_owned(), |port| format!("127.0.0.1:{port}"));
    let address = address.parse();
    address.map_err(|_| {
        "takes an IP address and a port such as 127.0.0.1:8089 or [::1]:8089".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use flags_and_variables::wrong_use;

    use super::*;
    use crate::args::{Command, read};

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        output: OutputArguments,
    }

    fn parse(arguments: &[&str]) -> OutputArguments {
        let arguments = std::iter::once(&"x").chain(arguments);
        Typed::try_parse_from(arguments).unwrap().output
    }

    fn error(arguments: &[&str]) -> String {
        let kinds = ["createOrder".to_owned(), "cancelOrder".to_owned()];
        parse(arguments)
            .validated(&kinds, &[])
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn flags_that_need_another_name_both() {
        for (arguments, names) in [
            (
                &["--csv-full-history"][..],
                ["--csv-full-history", "--csv PREFIX"],
            ),
            (&["--abort-on-fail"], ["--abort-on-fail", "--fail-on"]),
            (&["--junit", "x.xml"], ["--junit", "--fail-on"]),
            (
                &["--abort-delay", "10s"],
                ["--abort-delay", "--abort-on-fail"],
            ),
            (
                &["--fail-on", "create:p95<1s"],
                ["--fail-on create:", "createOrder, cancelOrder"],
            ),
        ] {
            let error = error(arguments);
            assert!(names.iter().all(|name| error.contains(name)), "{error}");
        }
        assert!(error(&["--csv", "-"]).contains("--csv"));
        let sound = parse(&["--fail-on", "cancelOrder:p95<1s", "--abort-on-fail"]);
        assert!(sound.validated(&["cancelOrder".to_owned()], &[]).is_ok());
    }

    #[test]
    fn thresholds_in_the_variable_stand_on_lines_of_their_own() {
        let typed = parse(&["--fail-on", "p95<1s\nfailures<1%", "--fail-on", "rps>1"]);
        assert_eq!(typed.fail_on.len(), 3);
    }

    #[test]
    fn the_name_of_the_report_is_filled_in() {
        let typed = parse(&["--html", "{u}/run-{u}-{r}-{t}.html"]);
        let minute = Some(Duration::from_secs(60));
        let name = |rate, time| typed.html(10, rate, time).unwrap().display().to_string();
        assert_eq!(name(5.0, minute), "{u}/run-10-5-60.html");
        assert_eq!(name(0.5, None), "{u}/run-10-0.5-{t}.html");
        assert_eq!(parse(&[]).html(1, 1.0, None), None);
    }

    fn web(arguments: &[&str]) -> Result<WebArguments, String> {
        let start = ["load-client", "--host", "kafka://a:1"];
        let arguments = start.iter().chain(arguments).map(std::ffi::OsString::from);
        match read(arguments)
            .map_err(|error| wrong_use(&error))?
            .0
            .command
        {
            Command::Run(run) => Ok(run.web),
            _ => panic!("not a run"),
        }
    }

    #[test]
    fn the_page_is_on_loopback() {
        let bound = |arguments: &[&str]| web(arguments).unwrap().address().unwrap();
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(bound(&[]), None);
        assert_eq!(bound(&["--web"]), address("127.0.0.1:8089"));
        assert_eq!(bound(&["--web", "-u", "3"]), address("127.0.0.1:8089"));
        assert_eq!(bound(&["--web", "localhost:0"]), address("127.0.0.1:0"));
        assert_eq!(bound(&["--web", "[::1]:9000"]), address("[::1]:9000"));
    }

    #[test]
    fn others_reach_it_only_if_they_are_allowed() {
        for open in ["0.0.0.0:8089", "[::]:8089", "192.168.0.7:8089"] {
            let error = web(&["--web", open]).unwrap().address().unwrap_err();
            assert!(error.to_string().contains("--web-allow-remote"), "{error}");
            let allowed = web(&["--web", open, "--web-allow-remote"]).unwrap();
            assert_eq!(allowed.address().unwrap(), Some(open.parse().unwrap()));
        }
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (arguments, flag) in [
            (&["--web", "8089"][..], "127.0.0.1:8089"),
            (&["--web", "--headless"], "--headless"),
            (&["--autostart"], "--web"),
            (&["--web", "--autoquit", "3"], "--autostart"),
            (&["--web-allow-remote"], "--web"),
        ] {
            let message = web(arguments).err().unwrap();
            assert!(message.contains(flag), "{message}");
        }
    }
}
