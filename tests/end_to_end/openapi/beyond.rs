//! Beyond the schemas of parameters: what they exclude, the broker refuses. So no limit in them is too tight.

use homeroom_tests::Broker;
use serde_json::{Value, json};

use super::described::{Described, Operation};
use super::judge::Judge;
use super::sent::{self, Epochs};

#[tokio::test]
async fn what_a_schema_of_a_parameter_excludes_is_refused() {
    let broker = Broker::start().await;
    let described = Described::by(&broker).await;
    let mut judge = Judge::of(&described).await;
    let mut tried = 0;
    for operation in described.operations() {
        for (at, parameter) in operation.list("parameters").enumerate() {
            let examples = parameter["examples"].as_object().expect("examples");
            let name = examples.keys().next().expect("an example");
            for wrong in excluded(described.resolved(&parameter["schema"])) {
                let mut value = operation.value.clone();
                value["parameters"][at]["examples"][name]["value"] = wrong.clone();
                let changed = Operation { value: &value, method: operation.method.clone(), ..operation };
                let (answer, target) = sent::answer(&broker, &changed, name, &Epochs::default()).await;
                let (status, what) = (answer.status, format!("{} {target} ({wrong})", operation.method));
                assert!(matches!(status, 400 | 404 | 413), "{what} is answered with {status}");
                let problem: Value = serde_json::from_str(&answer.text().await).expect("JSON");
                let at = operation.answer_at(status, "application/problem+json");
                judge.expect(&format!("{at}/schema"), &problem).await;
                tried += 1;
            }
        }
    }
    assert!(tried > 20, "{tried} values were tried");
}

/// Values just outside of a schema.
fn excluded(schema: &Value) -> Vec<Value> {
    let mut wrong = Vec::new();
    wrong.extend(schema["maximum"].as_i64().map(|maximum| json!(maximum + 1)));
    wrong.extend(schema["minimum"].as_i64().map(|minimum| json!(minimum - 1)));
    wrong.extend(
        schema["maxLength"].as_u64().map(|length| json!(format!("/topic/{}", "x".repeat(length as usize - 6)))),
    );
    if let Some(most) = schema["maxItems"].as_u64() {
        wrong.push((0..=most).map(|item| json!(format!("/topic/7b/x:{item}"))).collect());
    }
    if schema["type"] == "boolean" || schema["enum"].is_array() || schema["pattern"].is_string() {
        wrong.push(json!("boby"));
    }
    wrong
}
