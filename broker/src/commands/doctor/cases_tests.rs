//! The cases of `web/src/doctor/cases.json`, which the page's judge passes as well.

use serde_json::Value;

use super::*;
use crate::commands::doctor::words;

const CASES: &str = include_str!("../../../web/src/doctor/cases.json");

/// `change` laid over `base`, member by member.
fn laid_over(base: &mut Value, change: &Value) {
    match (base, change) {
        (Value::Object(base), Value::Object(change)) if !change.contains_key("is") => {
            for (name, value) in change {
                laid_over(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, change) => base.clone_from(change),
    }
}

#[test]
fn every_case_has_its_findings_and_their_words() {
    let all: Value = serde_json::from_str(CASES).expect("JSON");
    let cases = all["cases"].as_array().expect("cases");
    for case in cases {
        let name = &case["name"];
        let mut measured = all["base"].clone();
        laid_over(&mut measured, &case["measured"]);
        let measured: Measurements = serde_json::from_value(measured).expect("measurements");
        let findings = judge(&measured);
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id).collect();
        assert_eq!(serde_json::json!(ids), case["findings"], "{name}");
        let said: Vec<_> = findings.iter().map(words::said).collect();
        let report = words::report(&measured, &said);
        assert!(!report.contains(['{', '}']), "{name}: a blank is empty in\n{report}");
        for line in case["says"].as_array().into_iter().flatten() {
            assert!(report.contains(line.as_str().expect("text")), "{name}: {line} is not in\n{report}");
        }
        if let Some(lines) = case["report"].as_array() {
            let report: Vec<&str> = report.lines().collect();
            assert_eq!(&serde_json::json!(report), &Value::from(lines.clone()), "{name}");
        }
    }
}
