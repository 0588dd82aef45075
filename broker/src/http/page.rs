//! The lesson page at `/` and the network doctor at `/doctor`: files that the build script bundled, served from
//! memory with everything a browser needs to keep them and to mistrust them.
//!
//! Never here: STOMP, classrooms, state. The page uses the public doors like
//! any other client.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::absent;

/// Nothing but what this broker itself serves. `'self'` covers the WebSocket of the same host (CSP 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// A file whose name carries its hash never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// The page itself is asked for each time, and answered with 304.
const ASK_AGAIN: &str = "no-cache";

/// The routes of the pages: `/`, `/doctor` and `/assets/…`. Other paths stay free.
pub fn routes() -> Router {
    let pages = Router::new().route("/", get(index)).route("/doctor", get(doctor));
    pages.method_not_allowed_fallback(absent::no_such_method).route("/assets/{name}", get(asset))
}

struct File {
    /// Below the root of the page: `index.html`, `assets/main-….js`.
    name: &'static str,
    media_type: &'static str,
    /// A strong entity tag, in its quotes.
    tag: &'static str,
    bytes: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/page.rs"));

async fn index(headers: HeaderMap) -> Response {
    answer("index.html", ASK_AGAIN, &headers)
}

async fn doctor(headers: HeaderMap) -> Response {
    answer("doctor.html", ASK_AGAIN, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    answer(&format!("assets/{name}"), FOR_EVER, &headers)
}

fn answer(name: &str, keep: &'static str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let about = [
        (CACHE_CONTROL, keep),
        (CONTENT_SECURITY_POLICY, POLICY),
        (ETAG, file.tag),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if is_known(file.tag, headers) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(CONTENT_TYPE, file.media_type)], file.bytes).into_response()
}

/// RFC 9110, 13.1.2: a list of entity tags or `*`, compared weakly.
pub(super) fn is_known(tag: &str, headers: &HeaderMap) -> bool {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use axum::http::Request;
    use axum::http::header::ALLOW;
    use http_body_util::BodyExt;
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    const PAGES: [&str; 2] = ["/", "/doctor"];

    async fn fetch(request: Request<Body>) -> (StatusCode, HeaderMap, String) {
        let answer = TowerToHyperService::new(routes()).call(request).await;
        let (head, body) = answer.expect("a router answers").into_parts();
        let body = body.collect().await.expect("a body in memory").to_bytes();
        (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    fn asking(path: &str) -> Request<Body> {
        Request::get(path).body(Body::empty()).expect("a valid request")
    }

    #[tokio::test]
    async fn the_page_comes_with_its_policy() {
        for page in PAGES {
            let (status, headers, body) = fetch(asking(page)).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
            assert_eq!(headers[CACHE_CONTROL], ASK_AGAIN);
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[REFERRER_POLICY], "no-referrer");
            let policy = headers[CONTENT_SECURITY_POLICY].to_str().expect("text");
            assert!(policy.starts_with("default-src 'none';"), "{policy}");
            assert!(body.contains("<title>Homeroom"), "{body}");
        }
    }

    #[tokio::test]
    async fn everything_the_page_names_is_there_for_ever() {
        let mut named = BTreeSet::new();
        for page in PAGES {
            let (.., body) = fetch(asking(page)).await;
            named.extend(body.split('"').filter(|part| part.starts_with("/assets/")).map(str::to_owned));
        }
        for name in &named {
            let (status, headers, body) = fetch(asking(name)).await;
            assert_eq!(status, StatusCode::OK, "{name}");
            assert_eq!(headers[CACHE_CONTROL], FOR_EVER, "{name}");
            assert!(!body.is_empty(), "{name}");
        }
        assert_eq!(named.len(), FILES.len() - PAGES.len());
    }

    #[tokio::test]
    async fn a_browser_that_has_it_gets_304() {
        let (_, headers, _) = fetch(asking("/")).await;
        let tag = headers[ETAG].to_str().expect("a printable tag").to_owned();
        for known in [tag.clone(), format!("\"other\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let mut request = asking("/");
            request.headers_mut().insert(IF_NONE_MATCH, known.parse().expect("a printable tag"));
            let (status, headers, body) = fetch(request).await;
            assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""), "{known}");
            assert_eq!(headers[ETAG], tag.as_str());
        }
        let mut request = asking("/");
        request.headers_mut().insert(IF_NONE_MATCH, "\"other\"".parse().expect("a printable tag"));
        assert_eq!(fetch(request).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn anything_else_is_not_there() {
        for path in ["/assets/none.js", "/assets/..%2Findex.html", "/index.html", "/assets/"] {
            assert_eq!(fetch(asking(path)).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn whoever_posts_to_a_page_is_told_why_not() {
        for page in PAGES {
            let posting = Request::post(page).body(Body::empty()).expect("a valid request");
            let (status, headers, body) = fetch(posting).await;
            assert_eq!((status, headers[ALLOW].as_bytes()), (StatusCode::METHOD_NOT_ALLOWED, &b"GET,HEAD"[..]));
            assert!(body.contains("no such method"), "{body}");
        }
    }
}
