//! One operation: what is asked, what is answered, and examples of both.
//!
//! An example is written in one piece and goes where OpenAPI wants its parts: to parameters, body and answer, always
//! under its name. `x-examples` of the operation says which parts belong together.

use serde_json::{Map, Value, json};

use super::problem;

/// What one method of one path does.
#[derive(Debug)]
pub(in crate::http) struct Operation {
    object: Value,
}

impl Operation {
    /// One with an id that programs call it by, a title and an explanation in Markdown.
    pub(in crate::http) fn new(id: &str, tag: &str, summary: &str, description: &str) -> Operation {
        let object = json!({
            "operationId": id, "tags": [tag], "summary": summary, "description": description,
            "parameters": [], "responses": {}, "x-examples": {},
        });
        Operation { object }.refused([problem::MISNAMED, problem::FOREIGN])
    }

    /// With one more parameter.
    pub(in crate::http) fn parameter(mut self, parameter: Value) -> Operation {
        self.parameters().push(parameter);
        self
    }

    /// For users, who may also be nobody in particular.
    pub(in crate::http) fn for_anybody(mut self) -> Operation {
        self.object["security"] = json!([{}, { "user": [] }]);
        self
    }

    /// For users alone.
    pub(in crate::http) fn for_users(mut self) -> Operation {
        self.object["security"] = json!([{ "user": [] }]);
        self
    }

    /// With a body of one of these media types, each with its schema.
    pub(in crate::http) fn body(mut self, description: &str, content: Value) -> Operation {
        self.object["requestBody"]["description"] = description.into();
        self.object["requestBody"]["content"] = content;
        self
    }

    /// Answered so; `content` has a schema for each media type, `headers` names those of the components.
    pub(in crate::http) fn answers(
        mut self,
        status: u16,
        description: &str,
        headers: &[&str],
        content: Value,
    ) -> Operation {
        let reference = |component: &&str| {
            let name = component.split_once('.').map_or(*component, |(name, _)| name);
            (name.to_owned(), json!({ "$ref": format!("#/components/headers/{component}") }))
        };
        let headers: Map<String, Value> = headers.iter().map(reference).collect();
        let response = &mut self.object["responses"][status.to_string()];
        *response = json!({ "description": description, "headers": headers });
        if !content.is_null() {
            response["content"] = content;
        }
        self
    }

    /// Refused so.
    pub(in crate::http) fn refused(mut self, kinds: impl IntoIterator<Item = problem::Kind>) -> Operation {
        for kind in kinds {
            self.object["responses"][kind.status.to_string()] = kind.response();
        }
        self
    }

    /// With one more example, whose parts are described already.
    ///
    /// # Panics
    /// When it uses a parameter, a body or an answer that the description does not have.
    pub(in crate::http) fn example(mut self, example: Example) -> Operation {
        let Example { name, summary, after, parameters, body, status, answer } = example;
        let mut told = json!({ "status": status, "after": after });
        for (wanted, value) in parameters {
            let parameter = self.parameters().iter_mut().find(|parameter| parameter["name"] == wanted);
            let parameter = parameter.unwrap_or_else(|| panic!("{name}: {wanted} is a described parameter"));
            parameter["examples"][name] = json!({ "summary": summary, "value": value });
        }
        if let Some((media_type, value)) = body {
            let content = &mut self.object["requestBody"]["content"][media_type];
            assert!(content["schema"].is_object(), "{name}: {media_type} is described");
            content["examples"][name] = json!({ "summary": summary, "value": value });
            told["body"] = media_type.into();
        }
        let response = &mut self.object["responses"][status.to_string()];
        assert!(response.is_object(), "{name}: {status} is described");
        if let Some((media_type, value)) = answer {
            let content = &mut response["content"][media_type];
            assert!(content["schema"].is_object(), "{name}: {media_type} is described");
            content["examples"][name] = json!({ "summary": summary, "value": value });
            told["answer"] = media_type.into();
        }
        self.object["x-examples"][name] = told;
        self
    }

    fn parameters(&mut self) -> &mut Vec<Value> {
        self.object["parameters"].as_array_mut().expect("made as an array")
    }
}

impl From<Operation> for Value {
    fn from(operation: Operation) -> Value {
        operation.object
    }
}

/// A request and its answer.
#[derive(Debug)]
pub(in crate::http) struct Example {
    name: &'static str,
    summary: &'static str,
    after: Vec<&'static str>,
    parameters: Vec<(&'static str, Value)>,
    body: Option<(&'static str, Value)>,
    status: u16,
    answer: Option<(&'static str, Value)>,
}

impl Example {
    /// One with a name that no other example of the document has.
    pub(in crate::http) fn new(name: &'static str, summary: &'static str) -> Example {
        Example { name, summary, after: Vec::new(), parameters: Vec::new(), body: None, status: 204, answer: None }
    }

    /// It holds when these examples were sent before, in this order.
    pub(in crate::http) fn after(mut self, names: impl IntoIterator<Item = &'static str>) -> Example {
        self.after.extend(names);
        self
    }

    pub(in crate::http) fn with(mut self, parameter: &'static str, value: impl Into<Value>) -> Example {
        self.parameters.push((parameter, value.into()));
        self
    }

    pub(in crate::http) fn body(mut self, media_type: &'static str, value: impl Into<Value>) -> Example {
        self.body = Some((media_type, value.into()));
        self
    }

    /// What is answered, if anything.
    pub(in crate::http) fn answer(mut self, status: u16, media_type: &'static str, value: impl Into<Value>) -> Example {
        (self.status, self.answer) = (status, Some((media_type, value.into())));
        self
    }

    /// An answer without a body.
    pub(in crate::http) fn status(mut self, status: u16) -> Example {
        self.status = status;
        self
    }

    /// A problem document; its first members are those of every one with this status.
    pub(in crate::http) fn problem(self, kind: problem::Kind, title: &str, detail: &str, remedy: &str) -> Example {
        let document = kind.document(title, detail, remedy);
        self.answer(kind.status, problem::MEDIA_TYPE, document)
    }

    /// What is said of the destination `/nowhere`.
    pub(in crate::http) fn nowhere(self) -> Example {
        let remedy = "Topics are written /topic/{classroom}/{channel}, queues /queue/{name}, private queues \
                      /user/queue/{name} to subscribe and /user/{user}/queue/{name} to send; . and / separate segments \
                      alike.";
        let detail = "\"/nowhere\" begins with no known prefix: /topic/, /queue/ and /user/ are known";
        self.problem(problem::NOWHERE, "unknown destination", detail, remedy)
    }
}
