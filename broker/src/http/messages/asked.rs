//! What a request to publish says but for its body: query and headers, or the messages of a batch.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use homeroom_protocol::{Headers, Refusal};

use super::batch::{self, Fault, Item};
use crate::connection::Services;
use crate::http::guest::{Guest, TICKET};
use crate::http::problem::Problem;
use crate::metrics::Limit;
use crate::publication::joint::Joint;
use crate::publication::{self, Publication, Said};
use crate::refusals::{bad_request, code, refusal, shorten};
use crate::router::temp_queue;

/// A batch, in `Content-Type`.
pub(super) const BATCH: &str = "application/vnd.homeroom.batch+json";
/// Before all types that mean something to the broker.
const OURS: &str = "application/vnd.homeroom.";
/// A query says these once each, in the words of SEND.
const WORDS: [&str; 5] = ["persistent", "expires", "expiration", "correlation-id", "reply-to"];

/// A request but for its body.
#[derive(Debug)]
pub(super) struct Asked {
    /// Empty where the messages of a batch say it all.
    pub(super) destination: String,
    pub(super) guest: Guest,
    pub(super) is_batch: bool,
    /// In the words of SEND, with the key first.
    headers: Headers,
}

impl Asked {
    pub(super) fn read(parts: &Parts, query: &[(String, String)], guest: Guest) -> Result<Asked, Problem> {
        let content_type = text(&parts.headers, &header::CONTENT_TYPE)?;
        let is_batch = is_batch(content_type)?;
        let mut headers = Headers::default();
        if let Some(key) = text(&parts.headers, "idempotency-key")? {
            headers.push("idempotency-key", &publication::checked_key(key)?);
        }
        if let Some(content_type) = content_type.filter(|_| !is_batch) {
            headers.push("content-type", content_type);
        }
        let mut destination = None;
        for (name, value) in query {
            match &**name {
                // Whoever came with it was let in by it.
                TICKET => {}
                "destination" if destination.is_some() => return Err(twice(name).into()),
                "destination" => destination = Some(value.clone()),
                _ if is_batch => return Err(not_for_a_batch(name).into()),
                "header" => {
                    let (name, value) = value.split_once(':').ok_or_else(|| no_header(value))?;
                    headers.push(name, value);
                }
                _ if !WORDS.contains(&&**name) => return Err(unknown_parameter(name).into()),
                _ if headers.contains(name) => return Err(twice(name).into()),
                "persistent" if !matches!(&**value, "true" | "false") => return Err(not_a_truth(value).into()),
                _ => headers.push(name, value),
            }
        }
        if destination.is_none() && !is_batch {
            return Err(no_destination("destination is missing in the query").into());
        }
        Ok(Asked { destination: destination.unwrap_or_default(), guest, is_batch, headers })
    }

    /// What is said, but for the body.
    pub(super) fn said(&self, services: &Services) -> Result<Said<'_>, Refusal> {
        check(services, &self.headers)?;
        Ok(Said { headers: &self.headers, body: Bytes::new(), person: self.guest.person(), session: None })
    }

    /// The messages of a batch, each of which may go where it says.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub(super) async fn joint(&self, services: &Services, json: &[u8]) -> Result<Joint, Problem> {
        let limits = &services.settings.limits;
        let bounds = batch::Limits {
            messages: limits.transaction_messages,
            body_bytes: usize::try_from(limits.body_bytes).unwrap_or(usize::MAX),
        };
        let count = |fault: &Fault| fault.limit.into_iter().for_each(|limit| services.metrics.hit(limit));
        let items = batch::read(json, bounds).inspect_err(count).map_err(|fault| badly_written(&fault))?;
        let publications = items.into_iter().enumerate().map(|(index, item)| self.publication(services, index, item));
        let publications = publications.collect::<Result<Vec<_>, _>>()?;
        self.may_send_all(&publications).await?;
        let joint = Joint::of(publications);
        joint.check("batch", services.registry.store().caps().atomic_across_logs)?;
        Ok(joint)
    }

    /// Asks who else decides, once for each place.
    async fn may_send_all(&self, publications: &[Publication]) -> Result<(), Problem> {
        let paths: Vec<&str> = publications.iter().map(|publication| &*publication.place.path).collect();
        let refused = |(index, refusal)| in_batch(Some(index), Some("destination"), refusal);
        self.guest.may_send_all(&paths).await.map_err(refused)
    }

    fn publication(&self, services: &Services, index: usize, item: Item) -> Result<Publication, Problem> {
        let at = |member| move |refusal| in_batch(Some(index), Some(member), refusal);
        let destination = item.destination.as_deref().unwrap_or(&self.destination);
        if destination.is_empty() {
            let missing = no_destination("destination is missing, here and in the query");
            return Err(at("destination")(missing));
        }
        let place = publication::place(services.registry.rules(), destination).map_err(at("destination"))?;
        self.guest.rules_let_send(&place.path).map_err(at("destination"))?;
        if publication::idempotency_key(&item.headers(&[])).is_ok_and(|key| key.is_some()) {
            return Err(at("headers")(key_of_its_own()));
        }
        // The key is that of the whole, kept with the first message as a transaction's is.
        let key = self.headers.get("idempotency-key").filter(|_| index == 0);
        let first: Vec<(&str, &str)> = key.iter().map(|key| ("idempotency-key", *key)).collect();
        let headers = item.headers(&first);
        check(services, &headers).map_err(at("headers"))?;
        let said = Said { headers: &headers, body: item.body, person: self.guest.person(), session: None };
        let message = publication::message(place.shown.clone(), said).map_err(at("headers"))?;
        Ok(Publication { place, message, key: key.map(Into::into), persistent: true })
    }
}

fn is_batch(content_type: Option<&str>) -> Result<bool, Problem> {
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    let is_ours = media_type.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS));
    if is_ours && !media_type.eq_ignore_ascii_case(BATCH) {
        let reason = format!("the Content-Type \"{}\" is none that this broker reads", shorten(media_type));
        let refusal = bad_request(&reason, &format!("Write {BATCH} for a batch, or a type of your own."));
        return Err(Problem::new(refusal).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    Ok(is_ours)
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName + AsRef<str>) -> Result<Option<&str>, Refusal> {
    let shown = name.as_ref().to_owned();
    let value = headers.get(name).map(HeaderValue::to_str).transpose();
    value.map_err(|_| bad_request(&format!("the header {shown} is no ASCII text"), "Write it in printable ASCII."))
}

/// Headers that every door can show: bounded as those of a SEND, and unable to end a line or a frame.
fn check(services: &Services, headers: &Headers) -> Result<(), Refusal> {
    let limits = &services.settings.limits;
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let too_many = headers.iter().count() > limits.header_count;
    if too_many || bytes as u64 > limits.header_bytes {
        services.metrics.hit(if too_many { Limit::HeaderCount } else { Limit::HeaderBytes });
        let (count, bytes) = (limits.header_count, limits.header_bytes);
        let reason = format!("a message may have {count} headers of {bytes} bytes together");
        let remedy = "Say it in the body; limits.header_count and limits.header_bytes in the broker's settings \
                      are the limits.";
        return Err(refusal(code::LIMIT, "too many headers", reason, false, remedy));
    }
    for (name, value) in headers {
        if name.is_empty() || name.chars().chain(value.chars()).any(char::is_control) {
            let reason = format!("the header {:?} has no name, or a control character", shorten(name));
            let remedy = "Name every header and leave line ends out; what has several lines belongs in the body.";
            return Err(bad_request(&reason, remedy));
        }
    }
    match headers.get("reply-to").and_then(temp_queue) {
        None => Ok(()),
        Some(_) => Err(bad_request(
            "reply-to names a /temp-queue/, which belongs to a STOMP connection",
            "Name a queue in reply-to, such as /queue/answers, or send the question over STOMP.",
        )),
    }
}

/// A refusal that says which message of the batch it is about.
pub(super) fn in_batch(index: Option<usize>, member: Option<&str>, refusal: Refusal) -> Problem {
    let place = match (index, member) {
        (None, _) => return refusal.into(),
        (Some(index), None) => format!("message {index}"),
        (Some(index), Some(member)) => format!("message {index}, {member}"),
    };
    let reason = format!("{place}: {}", refusal.reason);
    let problem = Problem::new(Refusal { reason, ..refusal }).with("index", index);
    if let Some(member) = member { problem.with("member", member) } else { problem }
}

fn badly_written(Fault { index, member, reason, limit }: &Fault) -> Problem {
    let refusal = match limit.is_some() {
        true => refusal(code::LIMIT, "limit exceeded", reason, false, "Nothing was stored. Send less in one batch."),
        false => bad_request(reason, "Nothing was stored. Write the batch as broker/HTTP.md shows."),
    };
    in_batch(*index, member.as_deref(), refusal)
}

fn no_destination(reason: &str) -> Refusal {
    bad_request(reason, "Say where the message goes, for example ?destination=/topic/7b/quiz.")
}

fn twice(name: &str) -> Refusal {
    bad_request(&format!("{name} is given more than once"), "Give it once.")
}

fn not_for_a_batch(name: &str) -> Refusal {
    let reason = format!("{} in the query says nothing about a batch", shorten(name));
    bad_request(&reason, "Say it in each message of the batch; the query takes destination alone, for those without.")
}

fn unknown_parameter(name: &str) -> Refusal {
    let reason = format!("the query has \"{}\", which is unknown", shorten(name));
    let known = WORDS.join(", ");
    bad_request(
        &reason,
        &format!("Known are destination, {known}, header. Headers of your own are written header=name:value."),
    )
}

fn no_header(value: &str) -> Refusal {
    let reason = format!("header is \"{}\" in the query, which has no colon", shorten(value));
    bad_request(&reason, "Write header=name:value, once for each header.")
}

fn not_a_truth(value: &str) -> Refusal {
    bad_request(&format!("persistent is \"{}\"", shorten(value)), "Write persistent=false, or leave it out.")
}

fn key_of_its_own() -> Refusal {
    let reason = "a message of a batch has no idempotency key of its own";
    bad_request(reason, "Give the request one Idempotency-Key: the batch is stored as a whole.")
}
