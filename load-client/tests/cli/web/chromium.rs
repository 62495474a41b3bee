//! The page in a browser.

use std::time::Duration;

use super::page::Page;
use crate::browser::Browser;
use crate::support::{Behaviour, Service};

/// The seconds that the drawn time axis spans, which is not what the page was told but what is seen.
const DRAWN_SECONDS: &str = "(() => { const { data, layout } = document.querySelector('#course'); \
    const [low, high] = layout?.xaxis?.range ?? []; \
    return data?.[0].x.length > 1 ? (new Date(high) - new Date(low)) / 1000 : 0; })()";

#[test]
fn chromium_a_run_by_clicking() {
    let service = Service::start(Behaviour::Work(Duration::from_millis(2)));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["-u", "2"]);
    let mut browser = Browser::start();
    browser.open(&format!("http://{}/", page.address));
    browser.wait_for("document.querySelector('#phase').textContent === 'ready'");

    browser.click("#new");
    browser.wait_for("document.querySelector('#order').open");
    assert_eq!(
        browser.evaluate("document.querySelector('#order-users').value"),
        "2"
    );
    browser.fill("#order-users", "4");
    browser.fill("#order-spawn-rate", "20");
    browser.click("#order-send");
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'running'");
    browser.wait_for("!document.querySelector('#order').open");
    // The row of the one kind, and the row of all.
    browser.wait_for("Number(document.querySelector('tfoot td:nth-child(3)')?.textContent.replaceAll(',', '')) > 10");
    browser.wait_for("document.querySelector('#users').textContent === '4 / 4'");

    browser.click("#tab-charts");
    browser.wait_for(&format!("{DRAWN_SECONDS} > 0"));
    let before = browser.evaluate(DRAWN_SECONDS).as_f64().unwrap();
    browser.wait_for(&format!("{DRAWN_SECONDS} >= {}", before + 2.0));
    browser.wait_for("document.querySelectorAll('#course .trace.scatter').length === 6");
    browser.wait_for("document.querySelectorAll('#histogram .point').length > 5");

    // The hover is shared: the figures of all three charts are told at once.
    browser.hover("#course .nsewdrag");
    browser.wait_for(
        "['Requests/s', '95 %', 'Users'].every((name) => document.querySelector('#course .hoverlayer')?.textContent.includes(name))",
    );

    browser.click("#tab-failures");
    browser.wait_for("document.querySelector('#failures-table tbody').textContent.includes('503')");

    browser.click("#stop");
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'stopped'");
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
    browser.click("#new");
    browser.wait_for("document.querySelector('#order').open");
    // Another browser is faster.
    page.post("/start", r#"{"users":1,"spawn_rate":1}"#);
    browser.wait_for("document.querySelector('#phase').dataset.phase === 'running'");
    browser.click("#order-send");
    browser.wait_for(
        "document.querySelector('#order-problem').textContent.includes('run #1 is going on')",
    );
    // What the browser itself logs of an answer that is no success is not a fault of the page.
    browser
        .complaints
        .retain(|complaint| !complaint.contains("409"));
    browser.click("#order-cancel");
    // A second page has the history of before it was opened.
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 1");
    browser.open("about:blank");
    browser.open(&format!("http://{}/#/charts", page.address));
    browser.wait_for("document.querySelector('#course').data?.[0].x.length > 1");
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
fn chromium_a_narrow_window_needs_no_scrolling_sideways() {
    let service = Service::start(Behaviour::Answer("200"));
    let page = Page::open(&service.cluster.bootstrap_servers(), &["--autostart"]);
    let mut browser = Browser::start();
    browser.look(400, 800, "dark");
    browser.open(&format!("http://{}/", page.address));
    browser.wait_for("document.querySelector('tfoot td') !== null");
    for tab in ["statistics", "charts", "failures", "downloads"] {
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
