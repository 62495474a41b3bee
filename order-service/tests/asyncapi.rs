//! The AsyncAPI document: it is valid by AsyncAPI's schema, and it agrees with the operations.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use assert_cmd::Command;
use boon::{Compiler, SchemaIndex, Schemas};
use kafka_cluster_url::ClusterUrl;
use order_service::app;
use order_service::asyncapi::{self, Deployment};
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("data/asyncapi-3.0.0.json");

/// AsyncAPI's schema. It has all parts that it refers to, except JSON Schema itself.
struct Official {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Official {
    fn new() -> Self {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        let id = schema["$id"].as_str().unwrap().to_owned();
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.add_resource(&id, schema).unwrap();
        let index = compiler.compile(&id, &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, document: &Value) -> Result<(), String> {
        let checked = self.schemas.validate(document, self.index);
        checked.map_err(|error| error.to_string())
    }
}

/// Makes a document invalid.
type Break = fn(&mut Value);

fn document(prefix: &str) -> Value {
    let kafka = ClusterUrl::parse("kafka://one:9092,two:9093").unwrap();
    let deployment = Deployment::new(&kafka, prefix, "orders");
    asyncapi::document(&app::document(), &deployment)
}

#[test]
fn asyncapis_own_schema_accepts_the_document_and_refuses_broken_ones() {
    let official = Official::new();
    let document = document("shop.");
    official.accepts(&document).unwrap();

    let breaks: [(&str, Break); 8] = [
        ("version", |all| all["asyncapi"] = json!("2.6.0")),
        ("no info", |all| all["info"] = json!(null)),
        ("server", |all| {
            all["servers"]["broker-1"]
                .as_object_mut()
                .unwrap()
                .remove("host");
        }),
        ("action", |all| {
            all["operations"]["createOrder"]["action"] = json!("reply");
        }),
        ("reply address", |all| {
            let reply = &mut all["operations"]["createOrder"]["reply"];
            reply["address"]["location"] = json!("reply-to");
        }),
        ("unknown field", |all| {
            all["channels"]["createOrder"]["topic"] = json!("createOrder");
        }),
        ("payload", |all| {
            all["components"]["messages"]["createOrder.request"]["payload"]["type"] =
                json!("order");
        }),
        ("kafka binding", |all| {
            let bindings = &mut all["channels"]["createOrder"]["bindings"];
            bindings["kafka"]["partitions"] = json!(0);
        }),
    ];
    for (what, break_it) in breaks {
        let mut broken = document.clone();
        break_it(&mut broken);
        assert!(official.accepts(&broken).is_err(), "{what}");
    }
}

#[test]
fn each_operation_is_a_topic_whose_replies_go_where_the_request_says() {
    let document = document("shop.");
    for operation in ["createOrder", "readOrder", "updateOrder", "cancelOrder"] {
        let channel = &document["channels"][operation];
        assert_eq!(channel["address"], format!("shop.{operation}"));
        let described = &document["operations"][operation];
        assert_eq!(described["action"], "receive");
        assert_eq!(
            described["reply"]["address"]["location"],
            "$message.header#/reply-to"
        );
        assert_eq!(described["bindings"]["kafka"]["groupId"]["const"], "orders");

        let messages = &document["components"]["messages"];
        let request = &messages[format!("{operation}.request")];
        let required = &request["headers"]["required"];
        let by_id = operation != "createOrder";
        let expected = if by_id {
            json!(["reply-to", "order-id"])
        } else {
            json!(["reply-to"])
        };
        assert_eq!(*required, expected, "{operation}");
        for status in ["200", "400", "413", "503", "504"] {
            let reply = &messages[format!("{operation}.{status}")];
            assert_eq!(
                reply["headers"]["properties"]["status-code"]["const"], status,
                "{operation}"
            );
            assert!(reply["payload"]["$ref"].is_string(), "{operation} {status}");
        }
    }
    let create = &document["components"]["messages"]["createOrder.request"];
    let headers = &create["headers"]["properties"];
    assert_eq!(headers["idempotency-key"]["maxLength"], 255);
    assert!(headers["x-reply-set-header"].is_object());
    assert_eq!(create["payload"]["$ref"], "#/components/schemas/NewOrder");
    assert_eq!(document["servers"]["broker-2"]["host"], "two:9093");
}

#[test]
fn every_reference_leads_somewhere() {
    fn follow(document: &Value, part: &Value) {
        if let Some(reference) = part["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let members = part.as_object().into_iter().flat_map(|map| map.values());
        members
            .chain(part.as_array().into_iter().flatten())
            .for_each(|part| follow(document, part));
    }
    let document = document("");
    follow(&document, &document);
}

#[test]
fn the_sub_commands_print_the_documents_and_start_nothing() {
    let print = |arguments: &[&str]| -> Value {
        let mut command = Command::cargo_bin("order-service").unwrap();
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(print(&["openapi"]), app::document());
    let expected = document("shop.");
    let flags = [
        "--kafka",
        "kafka://one:9092,two:9093",
        "--topic-prefix",
        "shop.",
        "--group-id",
        "orders",
    ];
    let before = [&flags[..], &["asyncapi"]].concat();
    let after = [&["asyncapi"], &flags[..]].concat();
    assert_eq!(print(&before), expected);
    assert_eq!(print(&after), expected);
}

#[test]
fn the_openapi_document_names_every_operation_and_the_header_of_its_path() {
    let document = app::document();
    let rows = [
        ("/orders", "post", "createOrder"),
        ("/orders/{id}", "get", "readOrder"),
        ("/orders/{id}", "put", "updateOrder"),
        ("/orders/{id}", "delete", "cancelOrder"),
    ];
    for (path, method, id) in rows {
        let operation = &document["paths"][path][method];
        assert_eq!(operation["operationId"], id);
        if path.contains("{id}") {
            assert_eq!(
                operation["parameters"][0]["x-kafka-header"], "order-id",
                "{id}"
            );
        }
    }
}
