//! The service's interface over Kafka as an AsyncAPI 3 document.
//!
//! The OpenAPI document is the source of this document and of the Kafka operations, so that they cannot disagree: the
//! `operationId` is the name of the topic.

mod deployment;
mod messages;

use serde_json::{Map, Value, json};

pub use deployment::Deployment;

/// The version of AsyncAPI's binding for Kafka.
const KAFKA_BINDING: &str = "0.5.0";

const TOPICS: &str = "Requests are records, answered on the topic that their `reply-to` header \
    names. The service was described with the topic prefix";

/// Describes the operations of an OpenAPI document as a deployment serves them.
#[must_use]
pub fn document(openapi: &Value, deployment: &Deployment) -> Value {
    let mut parts = Parts::default();
    for operation in operations(openapi) {
        parts.add(&operation, deployment);
    }
    let mut info = Map::new();
    for field in ["title", "version"] {
        info.insert(field.to_owned(), openapi["info"][field].clone());
    }
    let about = openapi["info"]["description"].as_str().unwrap_or_default();
    let prefix = &deployment.topic_prefix;
    let about = format!("{about} {TOPICS} `{prefix}` (`--topic-prefix`).");
    info.insert("description".to_owned(), about.into());
    json!({
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "servers": deployment.servers(),
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {
            "messages": parts.messages,
            "schemas": openapi["components"]["schemas"],
        },
    })
}

/// An operation of the OpenAPI document.
struct Source<'a> {
    id: &'a str,
    /// The method and path, as people write them.
    http: String,
    description: &'a Value,
}

/// Returns the operations that have an id, which is the name of their topic.
fn operations(openapi: &Value) -> Vec<Source<'_>> {
    let paths = openapi["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().into_iter().flatten();
        methods.filter_map(move |(method, description)| {
            let id = description["operationId"].as_str()?;
            // The bridge leaves this operation out too.
            if description["x-kafka"] == false {
                return None;
            }
            let http = format!("{} {path}", method.to_uppercase());
            Some(Source {
                id,
                http,
                description,
            })
        })
    });
    all.collect()
}

/// The parts of the document to which each operation adds.
#[derive(Default)]
struct Parts {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Parts {
    fn add(&mut self, source: &Source<'_>, deployment: &Deployment) {
        let id = source.id;
        let topic = deployment.topic(id);
        let request = format!("{id}.request");
        self.messages
            .insert(request.clone(), messages::request(source.description));
        let replies: Vec<String> = messages::replies(source.description)
            .into_iter()
            .map(|(status, message)| {
                let name = format!("{id}.{status}");
                self.messages.insert(name.clone(), message);
                name
            })
            .collect();

        let reply = format!("{id}.reply");
        self.operations.insert(
            id.to_owned(),
            json!({
                "action": "receive",
                "title": source.http,
                "summary": source.description["summary"],
                "description": source.description["description"].as_str().unwrap_or_default(),
                "channel": { "$ref": format!("#/channels/{id}") },
                "messages": in_channel(id, [&request]),
                "reply": {
                    "address": {
                        "location": "$message.header#/reply-to",
                        "description": "has to be on the service's allow-list (`--reply-topics`)",
                    },
                    "channel": { "$ref": format!("#/channels/{reply}") },
                    "messages": in_channel(&reply, &replies),
                },
                "bindings": { "kafka": {
                    "groupId": { "type": "string", "const": deployment.group_id },
                    "bindingVersion": KAFKA_BINDING,
                }},
            }),
        );
        self.channels.insert(
            id.to_owned(),
            json!({
                "address": topic,
                "description": format!("a record here is the request {}", source.http),
                "messages": by_reference([&request]),
                "bindings": { "kafka": { "topic": topic, "bindingVersion": KAFKA_BINDING } },
            }),
        );
        self.channels.insert(
            reply,
            json!({
                "address": null,
                "description": format!("the requester's choice, by default one of {topic}.reply and {topic}.reply.*"),
                "messages": by_reference(&replies),
            }),
        );
    }
}

/// References to a channel's messages, for an operation.
fn in_channel<'a>(channel: &str, names: impl IntoIterator<Item = &'a String>) -> Value {
    let reference = |name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    names.into_iter().map(reference).collect()
}

/// References to messages, for a channel.
fn by_reference<'a>(names: impl IntoIterator<Item = &'a String>) -> Map<String, Value> {
    let reference = |name: &String| {
        let message = json!({ "$ref": format!("#/components/messages/{name}") });
        (name.clone(), message)
    };
    names.into_iter().map(reference).collect()
}
