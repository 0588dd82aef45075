//! `/openapi.json`: what HTTP offers, in the words of OpenAPI 3.1.
//!
//! A route enters the router together with its description or not at all: [`Api::at`] takes both. Limits and
//! defaults come from the constants and settings that the handlers obey.
//!
//! Descriptions stand beside their handlers, in files named `described`; here is what they have in common.
//!
//! # Why no attributes on the handlers?
//!
//! utoipa's take each limit as a literal, to be written a second time, and schemas from types. Handlers read their
//! queries one by one, so that an error can name what is wrong, and there are no such types. What a description says
//! is held against a running broker instead: every example in it is sent by a test.

pub(super) mod about;
mod operation;
mod parts;
pub(super) mod problem;
mod schemas;

use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use bytes::Bytes;
use serde_json::{Map, Value, json};

pub(super) use self::operation::{Example, Operation};
pub(super) use self::parts::{DESTINATION_BYTES, POSITION, QUIZ, header_field, only_one, path, query};
use super::{Door, known_tag};
use crate::settings::Settings;

/// Where the document is.
const PATH: &str = "/openapi.json";

/// Routes, each with its description.
#[derive(Debug, Default)]
pub(super) struct Api {
    router: Router<Arc<Door>>,
    paths: Map<String, Value>,
}

/// One method of a path: who answers, and what.
#[derive(Debug)]
pub(super) struct Route {
    method: &'static str,
    handler: MethodRouter<Arc<Door>>,
    operation: Operation,
}

impl Api {
    /// Answers these methods at a path.
    pub(super) fn at(mut self, path: &str, routes: impl IntoIterator<Item = Route>) -> Api {
        let (mut methods, mut item) = (MethodRouter::new(), Map::new());
        for Route { method, handler, operation } in routes {
            methods = methods.merge(handler);
            item.insert(method.to_owned(), operation.into());
        }
        self.paths.insert(path.to_owned(), item.into());
        Api { router: self.router.route(path, methods), ..self }
    }

    /// The router, which answers with the document as well.
    pub(super) fn router(self, settings: &Settings) -> Router<Arc<Door>> {
        let document = Document::new(&self.document(settings));
        self.router.route(PATH, on(MethodFilter::GET, move |headers: HeaderMap| ready(document.answer(&headers))))
    }

    /// What a broker with these settings says of itself.
    pub(super) fn document(&self, settings: &Settings) -> Value {
        let mut paths = self.paths.clone();
        paths.insert(PATH.to_owned(), json!({ "get": Value::from(about::document()) }));
        let is_asked = settings.access.is_asked_for();
        if is_asked {
            paths.values_mut().for_each(refuse_strangers);
        }
        json!({
            "openapi": "3.1.1",
            "info": about::info(),
            "servers": [{ "url": "/", "description": "This broker." }],
            "tags": about::tags(),
            "paths": paths,
            "components": {
                "schemas": schemas::all(settings),
                "headers": parts::headers(),
                "securitySchemes": about::security(is_asked),
            },
            "externalDocs": {
                "description": "How HTTP is used, with commands to try.",
                "url": concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/broker/HTTP.md"),
            },
        })
    }
}

impl Route {
    pub(super) fn get<H: Handler<T, Arc<Door>>, T: 'static>(handler: H, operation: Operation) -> Route {
        Route { method: "get", handler: on(MethodFilter::GET, handler), operation }
    }

    pub(super) fn post<H: Handler<T, Arc<Door>>, T: 'static>(handler: H, operation: Operation) -> Route {
        Route { method: "post", handler: on(MethodFilter::POST, handler), operation }
    }

    pub(super) fn put<H: Handler<T, Arc<Door>>, T: 'static>(handler: H, operation: Operation) -> Route {
        Route { method: "put", handler: on(MethodFilter::PUT, handler), operation }
    }

    pub(super) fn delete<H: Handler<T, Arc<Door>>, T: 'static>(handler: H, operation: Operation) -> Route {
        Route { method: "delete", handler: on(MethodFilter::DELETE, handler), operation }
    }
}

/// The document as it is sent, written once.
#[derive(Clone, Debug)]
struct Document {
    text: Bytes,
    tag: String,
}

impl Document {
    fn new(value: &Value) -> Document {
        let text = value.to_string();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Document { tag: format!("\"{:016x}\"", hasher.finish()), text: text.into() }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        // It changes with the broker and its settings: so it is asked for each time, and mostly answered with 304.
        let about = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
        let mut response = match known_tag(&self.tag, headers) {
            true => (StatusCode::NOT_MODIFIED, about).into_response(),
            false => (about, [(header::CONTENT_TYPE, "application/json")], self.text.clone()).into_response(),
        };
        if let Ok(tag) = HeaderValue::from_str(&self.tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

/// Every operation of a path that asks who somebody is refuses strangers.
fn refuse_strangers(path: &mut Value) {
    let operations = path.as_object_mut().into_iter().flat_map(Map::values_mut);
    for operation in operations.filter(|operation| operation.get("security").is_some()) {
        operation["security"].as_array_mut().into_iter().for_each(|ways| ways.push(json!({ "ticket": [] })));
        let kind = problem::STRANGER;
        operation["responses"][kind.status.to_string()] = kind.response();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Authenticator;
    use crate::http::{Origins, description, routes};
    use crate::server::{open_store, services};
    use crate::settings::{Engine, Storage};

    #[tokio::test]
    async fn every_route_below_v1_is_described() {
        let storage = Storage { engine: Engine::Memory, ..Storage::default() };
        let settings = Arc::new(Settings { storage, ..Settings::default() });
        let store = open_store(&settings).await.expect("a store in memory");
        let access = Arc::new(Authenticator::open(&settings.access).expect("the defaults hold"));
        let services = services(settings.clone(), &store, access).expect("the defaults hold");
        let door = Door::new(services, Origins::default());
        // A router shows its paths to people who debug it, and to nobody else.
        let router = format!("{:?}", routes(door));
        let answered = router.split('"').filter(|text| text.starts_with("/v1") || text.starts_with("/openapi"));
        let answered: std::collections::BTreeSet<&str> = answered.collect();
        let document = description(&settings);
        let described = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
        assert_eq!(answered, described, "a route is added with Api::at");
    }
}
