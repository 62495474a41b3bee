//! Writes the experiments of `make peers` as one Markdown table and one picture. Its arguments are the picture's file
//! and the experiments' folders, the fewest users first.
//!
//! ```sh
//! target/release/examples/peers_table results/peers.svg results/2026-*-native
//! ```

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A variant in an experiment's `variants.json`.
#[derive(Deserialize)]
struct Figures {
    name: String,
    requests_per_second: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    failed: u64,
    runs: u32,
    invalid: u32,
    cpu_ms: Option<f64>,
    memory_mib: Option<f64>,
}

/// The load in an experiment's `experiment.json`.
#[derive(Deserialize)]
struct Load {
    users: u32,
}

struct Experiment {
    users: u32,
    variants: Vec<Figures>,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let picture = arguments
        .next()
        .context("usage: peers_table FILE.svg FOLDER...")?;
    let all = arguments.map(|folder| read(Path::new(&folder)));
    let mut all = all.collect::<Result<Vec<_>>>()?;
    ensure!(!all.is_empty(), "usage: peers_table FILE.svg FOLDER...");
    all.sort_by_key(|one| one.users);
    fs::write(&picture, svg(&all)).with_context(|| picture.clone())?;
    // The reader may close the pipe early, which is no failure.
    let _ = std::io::stdout().write_all(table(&all).as_bytes());
    Ok(())
}

fn read(folder: &Path) -> Result<Experiment> {
    let Load { users } = json(&folder.join("experiment.json"))?;
    let variants = json(&folder.join("variants.json"))?;
    Ok(Experiment { users, variants })
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let told = || file.display().to_string();
    let text = fs::read_to_string(file).with_context(told)?;
    serde_json::from_str(&text).with_context(told)
}

fn table(all: &[Experiment]) -> String {
    let mut table = "| users | service | requests/s | p50, ms | p99, ms | CPU ms a request | memory, MiB | failed | INVALID runs |\n\
                     |--:|---|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    for Experiment { users, variants } in all {
        for one in variants {
            let figures = [
                shown(one.requests_per_second, 0),
                shown(one.p50_ms, 2),
                shown(one.p99_ms, 1),
                shown(one.cpu_ms, 3),
                shown(one.memory_mib, 0),
                one.failed.to_string(),
                format!("{} of {}", one.invalid, one.runs),
            ];
            table += &format!("| {users} | {} | {} |\n", one.name, figures.join(" | "));
        }
    }
    table
}

fn shown(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 596.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 400.0;
/// Colours that colour-blind people can distinguish (Okabe and Ito), and dashes.
const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000",
];

/// Requests per second over users, with logarithmic scales and a line for each service.
fn svg(all: &[Experiment]) -> String {
    let rates = all.iter().flat_map(|one| &one.variants);
    let rates = rates.filter_map(|one| one.requests_per_second);
    let (low, high) = rates.fold((f64::MAX, 1.0_f64), |(low, high), rate| {
        (low.min(rate), high.max(rate))
    });
    let [low, high] = [low.max(1.0).log10().floor(), high.log10().ceil()];
    let y =
        |rate: f64| BOTTOM - (rate.max(1.0).log10() - low) / (high - low).max(1.0) * (BOTTOM - TOP);
    let most = all.last().map_or(1, |one| one.users).max(10);
    let x = |users: u32| {
        LEFT + f64::from(users.max(1)).log10() / f64::from(most).log10() * (RIGHT - LEFT)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} 440\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
    );
    svg += &text(
        (12.0, 20.0),
        "start",
        "requests/s over users, both scales are logarithms",
    );
    for power in low as i32..=high as i32 {
        let rate = 10_f64.powi(power);
        svg += &path(&[(LEFT, y(rate)), (RIGHT, y(rate))], "#dddddd", "1", "none");
        svg += &text((LEFT - 8.0, y(rate) + 4.0), "end", &rate.to_string());
    }
    for one in all {
        svg += &text(
            (x(one.users), BOTTOM + 20.0),
            "middle",
            &one.users.to_string(),
        );
    }
    let names = all.last().map_or(&[][..], |one| &one.variants);
    for (place, Figures { name, .. }) in names.iter().enumerate() {
        let rate = |one: &Experiment| {
            let own = one.variants.iter().find(|other| &other.name == name)?;
            Some((x(one.users), y(own.requests_per_second?)))
        };
        let points: Vec<(f64, f64)> = all.iter().filter_map(rate).collect();
        let colour = COLOURS[place % COLOURS.len()];
        let dashes = if place < COLOURS.len() { "none" } else { "6 3" };
        let legend = TOP + 12.0 + 22.0 * place as f64;
        svg += &path(&points, colour, "2", dashes);
        for (x, y) in &points {
            svg += &format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n");
        }
        svg += &path(
            &[(RIGHT + 16.0, legend), (RIGHT + 40.0, legend)],
            colour,
            "2",
            dashes,
        );
        svg += &text((RIGHT + 46.0, legend + 4.0), "start", name);
    }
    svg + "</svg>\n"
}

fn path(points: &[(f64, f64)], colour: &str, width: &str, dashes: &str) -> String {
    let points = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}"));
    let points = points.collect::<Vec<_>>().join(" ");
    format!(
        "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
         stroke-dasharray=\"{dashes}\"/>\n"
    )
}

fn text((x, y): (f64, f64), anchor: &str, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>\n")
}
