//! `--json` and its schema. The schema accepts every kind of comparison, and refuses broken ones.

use std::fs;
use std::path::Path;

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

use super::{
    EQUIVALENT, FASTER, INCONCLUSIVE, SLOWER, compare, compare_blocks, error_of, write_run,
};

pub(super) struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    pub(super) fn new() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/comparison.schema.json");
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler
            .add_resource("comparison.schema.json", schema)
            .unwrap();
        let index = compiler
            .compile("comparison.schema.json", &mut schemas)
            .unwrap();
        Self { schemas, index }
    }

    pub(super) fn check(&self, document: &Value) -> Result<(), String> {
        let checked = self.schemas.validate(document, self.index);
        checked.map_err(|error| error.to_string())
    }
}

fn json_in(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("c.json")).unwrap()).unwrap()
}

fn of_blocks(factors: [f64; 6]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    error_of(
        &compare_blocks(folder.path(), factors, &["--json", "c.json"]),
        0,
    );
    json_in(folder.path())
}

fn of_files(files: &[(&str, Option<f64>)], arguments: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    for (name, median) in files {
        match median {
            Some(median) => write_run(folder.path(), name, *median),
            None => fs::write(
                folder.path().join(name),
                "request_type,name,response_time,status\nKAFKA,createOrder,,timeout\n",
            )
            .unwrap(),
        }
    }
    error_of(
        &compare(folder.path(), &[arguments, &["--json", "c.json"]].concat()),
        0,
    );
    json_in(folder.path())
}

#[test]
fn every_kind_of_comparison_is_as_the_schema_says() {
    let schema = Schema::new();
    for (factors, verdict) in [
        (FASTER, "faster"),
        (SLOWER, "slower"),
        (EQUIVALENT, "equivalent"),
        (INCONCLUSIVE, "inconclusive"),
    ] {
        let document = of_blocks(factors);
        assert_eq!(document["verdict"]["kind"], verdict);
        schema.check(&document).unwrap();
    }
    let single = of_files(
        &[("a.csv", Some(6.0)), ("b.csv", Some(4.0))],
        &["a.csv", "--with", "b.csv"],
    );
    assert!(single["within_runs"].is_object() && single["refusal"].is_string());
    schema.check(&single).unwrap();
    let files = [
        ("a.csv", Some(6.0)),
        ("b.csv", Some(4.0)),
        ("c.csv", Some(4.0)),
    ];
    let unequal = of_files(&files, &["a.csv", "--with", "b.csv", "c.csv"]);
    assert!(unequal["blocks"].is_null());
    schema.check(&unequal).unwrap();
    let failed = of_files(
        &[("a.csv", Some(6.0)), ("b.csv", None)],
        &["a.csv", "--with", "b.csv"],
    );
    assert!(failed["shape"].is_null() && failed["changed"]["pooled"]["median_ms"].is_null());
    schema.check(&failed).unwrap();
}

/// Makes a document invalid.
type Break = fn(&mut Value);

#[test]
fn broken_comparisons_are_refused() {
    let (schema, document) = (Schema::new(), of_blocks(FASTER));
    schema.check(&document).unwrap();
    let breaks: [(&str, Break); 13] = [
        ("another version", |all| all["schema"] = json!(4)),
        ("no conclusion", |all| {
            all.as_object_mut().unwrap().remove("conclusion");
        }),
        ("an unknown field", |all| all["colour"] = json!("green")),
        ("an unknown verdict", |all| {
            all["verdict"] = json!({"kind": "nice"});
        }),
        ("a verdict and a refusal", |all| {
            all["refusal"] = json!("why");
        }),
        ("neither", |all| all["verdict"] = json!(null)),
        ("a verdict without blocks", |all| {
            all["blocks"] = json!(null);
        }),
        ("a p above 1", |all| {
            all["blocks"]["effects"][0]["p"]["p"] = json!(1.5);
        }),
        ("an effect without its interval", |all| {
            all["blocks"]["effects"][0]["low"] = json!(null);
        }),
        ("an order without its first side", |all| {
            all["order"] = json!({"kind": "in_sequence"});
        }),
        ("a drift without its p", |all| {
            all["drift"]["level"] = json!({"per_block": 0.1});
        }),
        ("no run", |all| all["changed"]["runs"] = json!([])),
        ("a count as text", |all| {
            all["baseline"]["pooled"]["count"] = json!("400");
        }),
    ];
    for (name, break_it) in breaks {
        let mut broken = document.clone();
        break_it(&mut broken);
        assert!(schema.check(&broken).is_err(), "{name}");
    }
}
