//! Whether values are what the document's schemas say. The judge is Ajv, which knows nothing of the broker.

use homeroom_tests::{Script, node_client};
use serde_json::{Value, json};

use super::described::Described;

pub(super) struct Judge(Script);

impl Judge {
    /// One who has the document, and finds it in order.
    pub(super) async fn of(described: &Described) -> Self {
        let mut judge = Self(node_client("openapi", "judge.js", &[]));
        let judged = judge.ask(&json!({ "document": described.0 })).await;
        assert_eq!(judged["valid"], true, "{judged:#}");
        judge
    }

    /// Expects that a value fits the schema at this place of the document.
    pub(super) async fn expect(&mut self, at: &str, value: &Value) {
        let judged = self.ask(&json!({ "at": at, "value": value })).await;
        assert_eq!(judged["valid"], true, "{at}: {value} has {:#}", judged["errors"]);
    }

    async fn ask(&mut self, question: &Value) -> Value {
        self.0.tell(&question.to_string()).await;
        self.0.until("judged").await
    }
}
