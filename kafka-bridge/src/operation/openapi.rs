//! Maps operations from an application's own `OpenAPI` document: one for each `operationId`. Pure.
//!
//! It reads only what the mapping needs, and does not validate the document.

use http::Method;
use serde_json::Value;

use crate::{Operation, OperationError};

/// The fields of a path item that may hold operations.
const METHODS: [(&str, Method); 8] = [
    ("get", Method::GET),
    ("put", Method::PUT),
    ("post", Method::POST),
    ("delete", Method::DELETE),
    ("options", Method::OPTIONS),
    ("head", Method::HEAD),
    ("patch", Method::PATCH),
    ("trace", Method::TRACE),
];

/// An extension of an operation. `false` leaves the operation out.
const EXPOSED: &str = "x-kafka";

/// An extension of a parameter. Names the record header that fills it.
const HEADER: &str = "x-kafka-header";

/// How many references are followed in a row. More are a circle.
const MAX_REFERENCES: usize = 8;

impl Operation {
    /// Maps each operation of an `OpenAPI` 3 document that has an `operationId`, to the topic that `topic_of` returns
    /// for it.
    ///
    /// The record headers with the names of the path and query parameters fill them, or the headers in their extension
    /// `x-kafka-header`. Operations with `x-kafka: false` are left out. Paths are those of the application itself:
    /// `servers` are ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if an `operationId` or a topic occurs twice, if [`Operation::new`] refuses a topic or a path,
    /// if a path does not have a path parameter, or if a reference is not in the document.
    ///
    /// # Examples
    ///
    /// ```
    /// use kafka_bridge::Operation;
    ///
    /// let document = serde_json::json!({"paths": {"/orders/{id}": {"put": {
    ///     "operationId": "updateOrder",
    ///     "parameters": [{"name": "id", "in": "path", "x-kafka-header": "order-id"}],
    /// }}}});
    /// let operations = Operation::from_openapi(&document, |id| format!("eu.{id}"))?;
    /// assert_eq!(operations[0].topic(), "eu.updateOrder");
    /// # Ok::<(), kafka_bridge::OperationError>(())
    /// ```
    pub fn from_openapi(
        document: &Value,
        topic_of: impl Fn(&str) -> String,
    ) -> Result<Vec<Self>, OperationError> {
        let mut operations = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, item) in paths.into_iter().flatten() {
            let item = resolve(document, item, path)?;
            for (key, method) in &METHODS {
                let Some(described) = item.get(key) else {
                    continue;
                };
                let Some(id) = described.get("operationId").and_then(Value::as_str) else {
                    continue;
                };
                if described.get(EXPOSED) == Some(&Value::Bool(false)) {
                    continue;
                }
                if seen.iter().any(|own| own == id) {
                    return Err(wrong(path, format!("operationId `{id}` occurs twice")));
                }
                seen.push(id.to_owned());
                let topic = topic_of(id);
                if operations.iter().any(|own: &Self| own.topic() == topic) {
                    return Err(wrong(
                        path,
                        format!("topic `{topic}` of `{id}` is already in use"),
                    ));
                }
                let operation = Self::new(&topic, method.clone(), path)?;
                let parameters = parameters(document, [item, described], path)?;
                operations.push(operation.with_parameters(&parameters, path)?);
            }
        }
        Ok(operations)
    }

    fn with_parameters(
        mut self,
        parameters: &[Parameter<'_>],
        path: &str,
    ) -> Result<Self, OperationError> {
        for Parameter { name, place, value } in parameters {
            let header = match value.get(HEADER) {
                None => *name,
                Some(header) => {
                    header
                        .as_str()
                        .filter(|text| !text.is_empty())
                        .ok_or_else(|| {
                            wrong(
                                path,
                                format!("`{HEADER}` of parameter `{name}` is not a header name"),
                            )
                        })?
                }
            };
            self = match *place {
                "path" => self.path_parameter(name, header)?,
                "query" => self.query_parameter(name, header),
                // Header parameters are record headers already. Cookies do not apply.
                _ => self,
            };
        }
        Ok(self)
    }
}

/// The description of a parameter. Name and place together identify it.
struct Parameter<'a> {
    name: &'a str,
    place: &'a str,
    value: &'a Value,
}

/// Collects the parameters of a path item and of its operation. The operation's override the path item's.
fn parameters<'a>(
    document: &'a Value,
    levels: [&'a Value; 2],
    path: &str,
) -> Result<Vec<Parameter<'a>>, OperationError> {
    let mut parameters: Vec<Parameter<'_>> = Vec::new();
    for level in levels {
        let described = level.get("parameters").and_then(Value::as_array);
        for value in described.into_iter().flatten() {
            let value = resolve(document, value, path)?;
            let text = |key| {
                let text = value.get(key).and_then(Value::as_str);
                text.ok_or_else(|| wrong(path, format!("a parameter has no `{key}`")))
            };
            let (name, place) = (text("name")?, text("in")?);
            parameters.retain(|own| (own.name, own.place) != (name, place));
            parameters.push(Parameter { name, place, value });
        }
    }
    Ok(parameters)
}

/// Follows local references such as `#/components/parameters/id`.
fn resolve<'a>(
    document: &'a Value,
    mut value: &'a Value,
    path: &str,
) -> Result<&'a Value, OperationError> {
    for _ in 0..MAX_REFERENCES {
        let Some(reference) = value.get("$ref") else {
            return Ok(value);
        };
        let target = reference
            .as_str()
            .and_then(|text| text.strip_prefix('#'))
            .and_then(|pointer| document.pointer(pointer));
        value =
            target.ok_or_else(|| wrong(path, format!("{reference} is not in this document")))?;
    }
    Err(wrong(path, "references form a circle".to_owned()))
}

fn wrong(path: &str, reason: String) -> OperationError {
    OperationError::Document {
        place: format!("path `{path}`"),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Headers;

    fn operations(document: &Value) -> Result<Vec<Operation>, OperationError> {
        Operation::from_openapi(document, str::to_owned)
    }

    fn target(operation: &Operation, headers: &[(&str, &str)]) -> String {
        let headers: Headers = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes().to_vec()))
            .collect();
        let uri = operation.uri(&headers).unwrap();
        format!("{} {uri}", operation.method())
    }

    fn document() -> Value {
        json!({
            "openapi": "3.1.0",
            "paths": {
                "/orders": {
                    "post": {"operationId": "createOrder"},
                    "get": {
                        "operationId": "listOrders",
                        "parameters": [
                            {"$ref": "#/components/parameters/limit"},
                            {"name": "x-trace", "in": "header"},
                            {"name": "session", "in": "cookie"},
                        ],
                    },
                },
                "/orders/{id}": {
                    "parameters": [{"name": "id", "in": "path", "x-kafka-header": "order-id"}],
                    "summary": "not an operation",
                    "get": {"operationId": "readOrder"},
                    "put": {
                        "operationId": "updateOrder",
                        "parameters": [{"name": "id", "in": "path", "x-kafka-header": "own"}],
                    },
                    "delete": {"operationId": "cancelOrder", "x-kafka": false},
                    "patch": {"summary": "has no operationId"},
                },
            },
            "components": {"parameters": {
                "limit": {"$ref": "#/components/parameters/a~1b"},
                "a/b": {"name": "limit", "in": "query"},
            }},
        })
    }

    #[test]
    fn maps_each_operation_id_with_its_parameters() {
        let mut mapped = operations(&document()).unwrap();
        mapped.sort_by(|a, b| a.topic().cmp(b.topic()));
        let topics: Vec<_> = mapped.iter().map(Operation::topic).collect();
        assert_eq!(
            topics,
            ["createOrder", "listOrders", "readOrder", "updateOrder"]
        );
        assert_eq!(target(&mapped[0], &[]), "POST /orders");
        let headers = [("limit", "5"), ("session", "s"), ("x-trace", "t")];
        assert_eq!(target(&mapped[1], &headers), "GET /orders?limit=5");
        assert_eq!(target(&mapped[2], &[("order-id", "7")]), "GET /orders/7");
        assert_eq!(
            target(&mapped[3], &[("order-id", "8"), ("own", "7")]),
            "PUT /orders/7"
        );
    }

    #[test]
    fn the_topic_is_the_callers_choice() {
        let mapped = Operation::from_openapi(&document(), |id| format!("eu.{id}")).unwrap();
        assert!(mapped.iter().all(|own| own.topic().starts_with("eu.")));
        let illegal = Operation::from_openapi(&document(), |id| format!("eu/{id}"));
        assert!(matches!(illegal, Err(OperationError::Topic(_))));
        let one = Operation::from_openapi(&document(), |_| "one".to_owned()).unwrap_err();
        assert!(one.to_string().contains("topic `one`"), "{one}");
    }

    #[test]
    fn a_document_without_paths_maps_nothing() {
        for document in [json!({}), json!(null), json!({"paths": []})] {
            assert_eq!(operations(&document).unwrap().len(), 0);
        }
    }

    #[test]
    fn what_cannot_be_mapped_is_told_with_its_place() {
        let with = |operation: Value| json!({"paths": {"/a/{id}": {"put": operation}}});
        let parameter = |value: Value| with(json!({"operationId": "a", "parameters": [value]}));
        let cases = [
            (
                json!({"paths": {"/a": {"get": {"operationId": "a"}, "put": {"operationId": "a"}}}}),
                "`a` occurs twice",
            ),
            (
                parameter(json!({"name": "number", "in": "path"})),
                "no parameter `{number}`",
            ),
            (parameter(json!({"name": "id"})), "no `in`"),
            (
                parameter(json!({"name": "id", "in": "path", "x-kafka-header": 7})),
                "x-kafka-header",
            ),
            (
                parameter(json!({"$ref": "#/components/none"})),
                "is not in this document",
            ),
            (
                parameter(json!({"$ref": "other.json#/a"})),
                "is not in this document",
            ),
            (
                parameter(json!({"$ref": "#/paths/~1a~1{id}/put/parameters/0"})),
                "circle",
            ),
            (
                json!({"paths": {"/a/{id": {"put": {"operationId": "a"}}}}),
                "/a/{id",
            ),
        ];
        for (document, text) in cases {
            let error = operations(&document).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
