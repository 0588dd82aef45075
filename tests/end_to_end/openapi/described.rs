//! The document, operation by operation.

use homeroom_tests::{Broker, get};
use serde_json::Value;

/// Those that a path may have.
pub(super) const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

/// What a broker says of itself.
pub(super) struct Described(pub(super) Value);

/// One method of a path.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: String,
    pub(super) value: &'a Value,
}

impl Described {
    pub(super) async fn by(broker: &Broker) -> Self {
        let answer = get(broker.http(), "/openapi.json").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Self(answer.json())
    }

    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().expect("paths");
        let all =
            paths.iter().flat_map(|(path, item)| item.as_object().expect("methods").iter().map(move |one| (path, one)));
        all.map(|(path, (method, value))| Operation { path, method: method.to_uppercase(), value }).collect()
    }

    pub(super) fn operation(&self, id: &str) -> Operation<'_> {
        self.operations().into_iter().find(|operation| operation.id() == id).unwrap_or_else(|| panic!("no {id}"))
    }

    /// The operation that has an example of this name.
    pub(super) fn with_example(&self, name: &str) -> Operation<'_> {
        let mut found: Vec<Operation<'_>> = self.operations();
        found.retain(|operation| operation.examples().iter().any(|own| own == name));
        assert_eq!(found.len(), 1, "one operation has the example {name}");
        found.remove(0)
    }

    /// What a `$ref` leads to.
    pub(super) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        self.0.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Values of examples, each with the place of its schema.
    pub(super) fn example_values(&self) -> Vec<(String, Value)> {
        let mut found = Vec::new();
        collect("#", &self.0, &mut found);
        assert!(found.len() > self.operations().len(), "there are examples");
        found
    }
}

fn collect(at: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    let Value::Object(members) = value else {
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            collect(&format!("{at}/{index}"), item, found);
        }
        return;
    };
    if let (Some(_), Some(Value::Object(examples))) = (members.get("schema"), members.get("examples")) {
        found.extend(examples.values().map(|example| (format!("{at}/schema"), example["value"].clone())));
    }
    for (name, member) in members {
        collect(&format!("{at}/{}", escaped(name)), member, found);
    }
}

impl Operation<'_> {
    pub(super) fn id(&self) -> &str {
        self.value["operationId"].as_str().expect("an id")
    }

    /// Names of its examples.
    pub(super) fn examples(&self) -> Vec<String> {
        self.value["x-examples"].as_object().expect("examples").keys().cloned().collect()
    }

    /// How an example's parts belong together.
    pub(super) fn told(&self, example: &str) -> &Value {
        &self.value["x-examples"][example]
    }

    pub(super) fn list(&self, member: &str) -> impl Iterator<Item = &Value> {
        self.value[member].as_array().into_iter().flatten()
    }

    /// Parameters in the query, the path or a header.
    pub(super) fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        self.list("parameters").filter(move |parameter| parameter["in"] == place)
    }

    pub(super) fn response(&self, status: u16) -> &Value {
        let response = &self.value["responses"][status.to_string()];
        assert!(response.is_object(), "{}: {status} is not described", self.id());
        response
    }

    /// The place of the schema of an answer.
    pub(super) fn answer_at(&self, status: u16, media_type: &str) -> String {
        let (path, method) = (escaped(self.path), self.method.to_lowercase());
        format!("#/paths/{path}/{method}/responses/{status}/content/{}", escaped(media_type))
    }
}

/// A name as part of a JSON pointer in a fragment.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1").replace('{', "%7B").replace('}', "%7D").replace('+', "%2B")
}
