//! `/v1/cursors/{name}` as `/openapi.json` has it.

use serde_json::{Value, json};

use super::NAME_BYTES_MAX;
use crate::http::openapi::{Example, Operation, only_one, path, problem, query};

const LESSON: &str = "/topic/7b/**";

/// `GET`.
pub(in crate::http) fn show() -> Operation {
    let description = "Where the place stands. It is that of the durable subscription of this name, over every door.";
    operation("readCursor", "Where a reader stands", description)
        .answers(
            200,
            "Its position.",
            &[],
            json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Cursor" } } }),
        )
        .example(ask("standing", "Where alice stands").after(["question", "move"]).answer(
            200,
            "application/json",
            json!({ "position": "81234:1" }),
        ))
        .example(ask("neverKept", "A name that nobody has used here").after(["question"]).problem(
            problem::NOWHERE,
            "unknown cursor",
            "nobody has kept a place under the name \"lesson\" here",
            "PUT it with a position, or subscribe durably under this name.",
        ))
}

/// `PUT`.
pub(in crate::http) fn put() -> Operation {
    let mut position = query(
        "position",
        "That of the last message that was handled.",
        &json!({ "$ref": "#/components/schemas/Position" }),
    );
    position["required"] = true.into();
    operation("moveCursor", "Move a reader on", "Answered when it is on the disk. A place is never moved back.")
        .parameter(position)
        .answers(204, "It is on the disk.", &[], Value::Null)
        .example(ask("move", "The question was handled").after(["question"]).with("position", "81234:1").status(204))
        .example(
            ask("ahead", "A position that no message has").after(["question"]).with("position", "81234:99").problem(
                problem::SENSELESS,
                "bad request",
                "81234:99 is no position of this classroom",
                "Use one that a message or a page of this classroom had.",
            ),
        )
}

/// `DELETE`.
pub(in crate::http) fn delete() -> Operation {
    operation("forgetCursor", "Forget a reader", "Answered when it is on the disk, also if there was none.")
        .answers(204, "There is no such place any more.", &[], Value::Null)
        .example(ask("forget", "The lesson is over").after(["question", "move"]).status(204))
        .example(
            Example::new("everywhere", "A place is in one classroom")
                .with("name", "lesson")
                .with("destination", "/topic/**")
                .problem(
                    problem::SENSELESS,
                    "bad request",
                    "the destination reaches several classrooms",
                    "Add destination=/topic/{classroom}/{channel}: a cursor stands in one classroom.",
                ),
        )
}

fn operation(id: &str, summary: &str, description: &str) -> Operation {
    let name = json!({ "type": "string", "minLength": 1, "maxLength": NAME_BYTES_MAX });
    let mut destination = only_one("The classroom, by any pattern that stays in it.");
    destination["required"] = true.into();
    Operation::new(id, "cursors", summary, description)
        .for_users()
        .parameter(path("name", "Of the user's own choice.", &name))
        .parameter(destination)
        .refused([problem::SENSELESS, problem::NOWHERE, problem::TOO_MUCH, problem::FAULT, problem::NOT_NOW])
}

fn ask(name: &'static str, summary: &'static str) -> Example {
    Example::new(name, summary).with("name", "lesson").with("destination", LESSON)
}
