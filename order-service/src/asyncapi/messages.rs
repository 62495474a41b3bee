//! The records of one operation: its request, and a reply for each status.

use serde_json::{Map, Value, json};

use super::KAFKA_BINDING;

/// Failures that the bridge itself answers.
const OF_THE_BRIDGE: [(&str, &str); 3] = [
    ("413", "the value is too large"),
    ("500", "the handler failed"),
    ("504", "the handler did not answer in time"),
];

/// Describes the request: its headers, and its value if the operation takes a body.
pub(super) fn request(operation: &Value) -> Value {
    let mut headers = Map::new();
    let mut required = vec![json!("reply-to")];
    let reply_to = json!({ "type": "string", "description": "the topic to answer on" });
    headers.insert("reply-to".to_owned(), reply_to);
    let set = json!({
        "type": "string",
        "description": "a header to be set on the reply, `name:value`; may be repeated",
        "examples": ["x-request-id:42"],
    });
    headers.insert("x-reply-set-header".to_owned(), set);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = header_of(parameter).to_owned();
        if parameter["required"] == true {
            required.push(json!(name));
        }
        let mut schema = parameter["schema"].clone();
        schema["description"] = parameter["description"].clone();
        headers.insert(name, schema);
    }
    let mut message = json!({
        "contentType": "application/json",
        "headers": { "type": "object", "required": required, "properties": headers },
        "bindings": { "kafka": {
            "key": { "type": "string", "description": "any; the reply carries the same" },
            "bindingVersion": KAFKA_BINDING,
        }},
    });
    if let Some(payload) = schema(&operation["requestBody"]) {
        message["payload"] = payload.clone();
    }
    message
}

/// Describes the replies, by status.
pub(super) fn replies(operation: &Value) -> Vec<(String, Value)> {
    let mut replies = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        replies.push((status.clone(), reply(status, response)));
    }
    let failure = replies.iter().find(|(status, _)| status.starts_with('4'));
    let payload = failure.map(|(_, message)| message["payload"].clone());
    for (status, description) in OF_THE_BRIDGE {
        if replies.iter().all(|(own, _)| own != status) {
            let content = json!({ "application/problem+json": { "schema": payload } });
            let response = json!({ "description": description, "content": content });
            replies.push((status.to_owned(), reply(status, &response)));
        }
    }
    replies
}

fn reply(status: &str, response: &Value) -> Value {
    let content_type = content(response).map(|(media_type, _)| media_type.as_str());
    let mut message = json!({
        "summary": response["description"],
        "headers": {
            "type": "object",
            "required": ["status-code"],
            "properties": {
                "status-code": { "type": "string", "const": status },
                "content-type": { "type": "string" },
                "content-length": { "type": "string" },
            },
        },
        "bindings": { "kafka": {
            "key": { "type": "string", "description": "the request's" },
            "bindingVersion": KAFKA_BINDING,
        }},
    });
    if let Some(content_type) = content_type {
        message["contentType"] = content_type.into();
    }
    if let Some(payload) = schema(response) {
        message["payload"] = payload.clone();
    }
    message
}

/// The record header of a parameter, as in the bridge.
fn header_of(parameter: &Value) -> &str {
    let own = parameter["name"].as_str().unwrap_or_default();
    parameter["x-kafka-header"].as_str().unwrap_or(own)
}

fn content(body: &Value) -> Option<(&String, &Value)> {
    body["content"].as_object()?.iter().next()
}

fn schema(body: &Value) -> Option<&Value> {
    content(body).map(|(_, media)| &media["schema"])
}
