//! The page in a browser.

use std::time::Duration;

use super::page::Page;
use crate::browser::Browser;
use crate::support::{Behaviour, Service};

/// JavaScript that returns the seconds of the drawn time axis, which is what a person sees.
const DRAWN_SECONDS: &str = "(() => { const { data, layout } = document.querySelector('#course'); \
    const [low, high] = layout?.xaxis?.range ?? []; \
    return data?.[0].x.length > 1 ? (new Date(high) - new Date(low)) / 1000 : 0; })()";

#[test]
fn chromium_a_run_by_clicking() {
    let service = Service::start(Behaviour::Work(Duration::from_millis(2)));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["-u", "2"]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", page.address));
    // Before the first run the page shows the form.
    browser.wait_for("document.querySelector('#order').checkVisibility()");
    browser.wait_for("!document.querySelector('#views').checkVisibility()");
    assert_eq!(
        browser.evaluate("document.querySelector('#order-users').value"),
        "2"
    );
    browser.fill("#order-users", "4");
    browser.fill("#order-spawn-rate", "20");
    browser.click("#order-send");
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'running'");
    browser.wait_for("!document.querySelector('#order').open");
    // The row of the only kind, and the row of all kinds.
    browser.wait_for("Number(document.querySelector('tfoot td:nth-child(2)')?.textContent.replaceAll(',', '')) > 10");
    browser.wait_for("document.querySelector('#users').textContent === '4 / 4'");

    browser.wait_for("document.activeElement.id === 'stop'");
    browser.click("#tab-mix");
    browser.wait_for("/^createOrder100.00 %100.00 %/.test(document.querySelector('#mix-table tbody').textContent)");

    browser.click("#tab-charts");
    browser.wait_for(&format!("{DRAWN_SECONDS} > 0"));
    let before = browser.evaluate(DRAWN_SECONDS).as_f64().unwrap();
    browser.wait_for(&format!("{DRAWN_SECONDS} >= {}", before + 2.0));
    browser.wait_for("document.querySelectorAll('#course .trace.scatter').length === 6");
    browser.wait_for("document.querySelectorAll('#histogram .point').length > 5");

    // All three charts show the figures at the hovered time.
    browser.hover("#course .nsewdrag");
    browser.wait_for(
        "['Requests/s', '95 %', 'Users'].every((name) => document.querySelector('#course .hoverlayer')?.textContent.includes(name))",
    );

    browser.click("#tab-failures");
    browser.wait_for("document.querySelector('#failures-table tbody').textContent.includes('503')");

    browser.click("#stop");
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'stopped'");
    browser.wait_for("document.activeElement.id === 'new'");
    browser.click("#tab-log");
    browser.wait_for("['starts: 4 users', 'sends', 'stops', 'ended: '].every((text) => document.querySelector('#log-list').textContent.includes(text))");
    browser.click("#tab-downloads");
    browser.click("#download-list li:first-child a");
    assert!(browser.downloaded("stats.csv").contains("Aggregated"));
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    let code = page.ended().status.code();
    assert_eq!(code, Some(3), "requests failed, as without the page");
}

#[test]
fn chromium_what_another_did_is_seen_and_a_refusal_is_told() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&service.cluster.bootstrap_servers(), &[]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/#/charts", page.address));
    // The first run of another browser replaces the form.
    page.post("/start", r#"{"users":1,"spawn_rate":1}"#);
    browser.wait_for("!document.querySelector('#order').open");
    page.post("/stop", "{}");
    page.wait_for("stopped");
    browser.click("#new");
    // A message names a field by its label.
    browser.fill("#order-run-time", "soon");
    browser.click("#order-send");
    browser.wait_for(
        "document.querySelector('#order-problem').textContent.startsWith('Run time: takes a time')",
    );
    browser.wait_for("document.activeElement.matches('#order-run-time[aria-invalid]')");
    browser.fill("#order-run-time", "1h");
    // Another browser starts a run first.
    page.post("/start", r#"{"users":1,"spawn_rate":1}"#);
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'running'");
    browser.click("#order-send");
    browser.wait_for(
        "document.querySelector('#order-problem').textContent.includes('run #2 is going on')",
    );
    // The browser itself logs answers with an error status. That is not a fault of the page.
    browser
        .complaints
        .retain(|complaint| !complaint.contains("409") && !complaint.contains("422"));
    browser.click("#order-cancel");
    // A second page has the history from before it was opened.
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 1");
    browser.open("about:blank");
    browser.open(&format!("http://{}/#/charts", page.address));
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 3");
    // After a reset the charts begin anew. They show neither the time before it nor the start of the run.
    page.post("/reset", "{}");
    browser.wait_for("document.querySelector('#course').data?.[0].x.length < 3");
    browser.wait_for(&format!("{DRAWN_SECONDS} > 1.5 && {DRAWN_SECONDS} < 3.5"));
    assert_eq!(
        browser.evaluate("document.querySelector('#course').layout.shapes.length"),
        0
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    browser.wait_for("document.querySelector('#lost').checkVisibility()");
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn chromium_texts_of_others_are_never_markup() {
    let page = Page::open("127.0.0.1:1", &[]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/#/failures", page.address));
    browser.evaluate("document.querySelector('#views').hidden = false");
    let shown = browser.evaluate(
        r#"import("/assets/tables.js").then(({ failuresTable }) => {
            const table = document.createElement("table");
            table.createTHead();
            table.createTBody();
            document.querySelector('#failures').append(table);
            const hostile = "<img src=x onerror=document.title='hit'>";
            const row = { count: 1, name: hostile, status: hostile, error: hostile, first_seconds: 0, last_seconds: 1 };
            failuresTable(table).fill([row]);
            return [table.querySelectorAll("img").length, table.tBodies[0].textContent.split(hostile).length - 1];
        })"#,
    );
    assert_eq!(shown, serde_json::json!([0, 3]));
    assert_ne!(browser.evaluate("document.title"), "hit");
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn chromium_a_run_that_cannot_start_says_why() {
    let page = Page::open("127.0.0.1:1", &[]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/#/charts", page.address));
    browser.click("#order-send");
    browser.wait_for("document.querySelector('#charts .nothing').innerText === 'Run #1 is connecting to 127.0.0.1:1; nothing is sent yet.'");
    browser.wait_for("document.querySelector('#charts .nothing').innerText.startsWith('Run #1 failed before it sent a request: no broker')");
    browser.wait_for("!document.querySelector('#course').checkVisibility()");
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(1));
}

/// Makes a scenario of kinds with long names.
fn long_names(kinds: usize) -> String {
    let kind = |number: usize| {
        let name = format!("an order of a customer of the kind that is number {number}");
        format!("[[request]]\nname = '{name}'\nbody = '{{}}'\n")
    };
    (1..=kinds).map(kind).collect()
}

#[test]
fn chromium_long_names_leave_the_figures_in_sight() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("kinds.toml");
    std::fs::write(&scenario, long_names(20)).unwrap();
    let service = Service::start(Behaviour::Answer("200"));
    let arguments = ["--autostart", "--scenario", scenario.to_str().unwrap()];
    let page = Page::open(&service.cluster.bootstrap_servers(), &arguments);
    let mut browser = Browser::start();
    for (width, least) in [(1280, 11), (390, 3)] {
        browser.look(width, 844, "light");
        browser.open(&format!("http://{}/", page.address));
        browser.wait_for("document.querySelectorAll('#statistics-table tbody tr').length === 20");
        // Counts the figures that are completely visible beside the name.
        let seen = browser.evaluate(
            "[...document.querySelector('tbody tr').cells].filter((cell) => cell.getBoundingClientRect().right <= innerWidth).length",
        );
        assert!(seen.as_u64() >= Some(least), "{width}: {seen}");
        browser.evaluate("document.querySelector('#statistics .scroll').scrollLeft = 200");
        let left = "document.querySelector('tbody td').getBoundingClientRect().left";
        let frame = "document.querySelector('#statistics .scroll').getBoundingClientRect().left";
        browser.wait_for(&format!("Math.abs({left} - {frame}) < 3"));
        browser.wait_for("document.querySelector('tbody td .name').title.endsWith('number 1')");
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn chromium_without_a_good_reply_no_axis_pretends_to_times() {
    let service = Service::start(Behaviour::Answer("500"));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["--autostart"]);
    let mut browser = Browser::start();
    browser.look(390, 844, "light");
    browser.open(&format!("http://{}/#/charts", page.address));
    browser.wait_for("document.querySelector('#course').textContent.includes('no good reply yet')");
    browser.wait_for("document.querySelector('#no-replies').checkVisibility()");
    browser.wait_for("!document.querySelector('#histogram').checkVisibility()");
    let ticks = browser.evaluate("document.querySelectorAll('#course .y2tick text').length");
    assert_eq!(ticks, 0);
    // In a narrow chart no legend covers a title.
    let apart = browser.evaluate(
        "(() => { const boxes = (found) => [...document.querySelectorAll(found)].map((own) => own.getBoundingClientRect());
           const meet = (one, two) => one.left < two.right && two.left < one.right && one.top < two.bottom - 1 && two.top < one.bottom - 1;
           const [titles, legends] = [boxes('#course .annotation-text'), boxes('#course :is(.legendtext, .legend2text, .legend3text)')];
           return titles.length > 3 && legends.length === 6 && !titles.some((one) => legends.some((two) => meet(one, two))); })()",
    );
    assert_eq!(apart, true);
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(3));
}

#[test]
fn chromium_a_narrow_window_needs_no_scrolling_sideways() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["--autostart"]);
    let mut browser = Browser::start();
    browser.look(400, 800, "dark");
    browser.open(&format!("http://{}/", page.address));
    browser.wait_for("document.querySelector('tfoot td') !== null");
    for tab in [
        "statistics",
        "charts",
        "failures",
        "mix",
        "log",
        "downloads",
    ] {
        browser.click(&format!("#tab-{tab}"));
        browser.wait_for("document.documentElement.scrollWidth <= 400");
    }
    browser.click("#tab-charts");
    browser.wait_for(
        "document.querySelector('#course .main-svg')?.getBoundingClientRect().width <= 400",
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}

#[test]
fn chromium_names_of_runs_that_start_within_seconds_do_not_lie_on_each_other() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["--autostart"]);
    let mut browser = Browser::start();
    browser.look(400, 800, "light");
    browser.open(&format!("http://{}/#/charts", page.address));
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 0");
    page.post("/stop", "{}");
    page.wait_for("stopped");
    page.post("/start", r#"{"users":1,"spawn_rate":1}"#);
    // On 400 pixels for ten seconds, two seconds are narrower than a name, unless the machine is slow.
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 9");
    browser.wait_for(
        "(() => {
           const all = [...document.querySelectorAll('#course .annotation-text')];
           const names = all.filter((own) => own.textContent.startsWith('Run #'));
           const [one, other] = names.map((own) => own.getBoundingClientRect());
           return other && (one.right <= other.left || one.bottom <= other.top + 2);
         })()",
    );
    assert_eq!(browser.complaints, Vec::<String>::new());
    page.signal();
    assert_eq!(page.ended().status.code(), Some(0));
}
