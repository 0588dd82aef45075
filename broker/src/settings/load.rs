//! Every key, once: its name, its place, its bounds.

use std::fmt;
use std::time::Duration;

use homeroom_storage::Retention;

use super::problem::Problems;
use super::reader::{Entry, Reader, Section};
use super::{
    Access, Claims, ClassroomPolicy, ClassroomRule, Delivery, Destinations, Durable, Hook, Http, Jwt, Limits, Listen,
    Listener, Log, Presence, Proxies, Queues, Role, Settings, Shutdown, Sockjs, Sources, Start, Stomp, Storage, Tls,
    rules,
};
use crate::router::{Action, Rule, Template};

/// Settings, and who said what.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The values that hold.
    pub settings: Settings,
    /// Every key with its value and source, in the order of the documentation.
    pub entries: Vec<Entry>,
}

/// The settings that hold as a TOML file, each with its source.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut section = "";
        for Entry { key, value, source } in &self.entries {
            let (table, name) = key.split_once('.').unwrap_or(("", key));
            if table != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                match table.split_once('[') {
                    Some((list, _)) => writeln!(f, "{gap}[[{list}]]")?,
                    None => writeln!(f, "{gap}[{table}]")?,
                }
                section = table;
            }
            writeln!(f, "{name} = {value}  # {source}")?;
        }
        Ok(())
    }
}

/// Reads all layers and checks them.
///
/// # Errors
/// Everything that is wrong, in one answer.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let (merged, problems) = sources.merge();
    // Half a file would be blamed for what its other half says.
    if !problems.is_empty() {
        return Err(Problems::sorted(problems));
    }
    let mut reader = Reader::new(merged, problems);
    let settings = read(&mut reader);
    reader.refuse_unknown();
    let Reader { entries, mut problems, .. } = reader;
    let already: Vec<String> = problems.iter().map(|problem| problem.key.clone()).collect();
    problems.extend(rules::broken(&settings, &entries).into_iter().filter(|broken| !already.contains(&broken.key)));
    if problems.is_empty() { Ok(Loaded { settings, entries }) } else { Err(Problems::sorted(problems)) }
}

fn read(reader: &mut Reader) -> Settings {
    let mut settings = Settings::default();
    listen(reader.section("listen"), &mut settings.listen);
    tls(reader.section("tls"), &mut settings.tls);
    proxies(reader.section("proxies"), &mut settings.proxies);
    storage(reader.section("storage"), &mut settings.storage);
    retention(reader.section("retention"), &mut settings.retention);
    destinations(reader.section("destinations"), &mut settings.destinations);
    queues(reader.section("queues"), &mut settings.queues);
    http(reader.section("http"), &mut settings.http);
    sockjs(reader.section("sockjs"), &mut settings.sockjs);
    stomp(reader.section("stomp"), &mut settings.stomp);
    limits(reader.section("limits"), &mut settings.limits);
    delivery(reader.section("delivery"), &mut settings.delivery);
    presence(reader.section("presence"), &mut settings.presence);
    shutdown(reader.section("shutdown"), &mut settings.shutdown);
    log(reader.section("log"), &mut settings.log);
    access(reader.section("access"), &mut settings.access);
    let kept = settings.retention;
    settings.classrooms = reader.each("classrooms", |section| classroom(section, kept));
    settings
}

fn listen(mut section: Section<'_>, listen: &mut Listen) {
    section.read("http", &mut listen.http);
    section.read("stomp", &mut listen.stomp);
    section.read("management", &mut listen.management);
    section.read("management_asks", &mut listen.management_asks);
    section.read("open_to_anyone", &mut listen.open_to_anyone);
}

fn tls(mut section: Section<'_>, tls: &mut Tls) {
    section.read("certificate", &mut tls.certificate);
    section.read("key", &mut tls.key);
    section.read("listeners", &mut tls.listeners);
    section.read("minimum_version", &mut tls.minimum_version);
    section.read_within("handshake_timeout", &mut tls.handshake_timeout, PATIENCE);
    section.read_within("handshakes", &mut tls.handshakes, 1..=1_000_000);
    section.read_within("look_every", &mut tls.look_every, Duration::ZERO..=HOUR);
}

fn proxies(mut section: Section<'_>, proxies: &mut Proxies) {
    section.read("trusted", &mut proxies.trusted);
    section.read_if("proxy_protocol", &mut proxies.proxy_protocol, |listeners| {
        match listeners.contains(&Listener::Management) {
            true => {
                Err("Write \"http\", \"stomp\" or both: the management listener stands behind no proxy.".to_owned())
            }
            false => Ok(()),
        }
    });
}

fn storage(mut section: Section<'_>, storage: &mut Storage) {
    section.read("engine", &mut storage.engine);
    section.read("path", &mut storage.path);
    section.read_within("free_space_min", &mut storage.free_space_min, 0..=TB);
    section.read_within("ballast", &mut storage.ballast, 0..=TB);
    section.read_within("cursor_ttl", &mut storage.cursor_ttl, HOUR..=YEARS);
    section.read_within("cache_bytes", &mut storage.cache_bytes, MIB..=64 * GIB);
    section.read_within("queue_bytes_max", &mut storage.queue_bytes_max, MIB..=64 * GIB);
    section.read_within("open_timeout", &mut storage.open_timeout, SECOND..=HOUR);
    section.read_within("scrub_after", &mut storage.scrub_after, Duration::ZERO..=DAY);
}

fn retention(mut section: Section<'_>, retention: &mut Retention) {
    section.read_within("age", &mut retention.age, SECOND..=YEARS);
    section.read_within("bytes", &mut retention.bytes, KIB..=TB);
    let mut records = usize::try_from(retention.records).ok().filter(|records| *records != usize::MAX);
    section.read_if("records", &mut records, |records| match records {
        Some(0) => Err("Write a whole number from 1 on, or \"none\" for no limit.".to_owned()),
        _ => Ok(()),
    });
    retention.records = records.map_or(u64::MAX, |records| records as u64);
}

fn classroom(mut section: Section<'_>, kept: Retention) -> Option<ClassroomRule> {
    let missing = "Every [[classrooms]] says which it is for: write match = \"7*\", or match = \"*\" for all.";
    let matches = section.require("match", missing);
    let mut policy = ClassroomPolicy { durable: Durable::Asked, start: Start::Now, retention: kept };
    section.read("durable", &mut policy.durable);
    section.read("start", &mut policy.start);
    retention(section.section("retention"), &mut policy.retention);
    Some(ClassroomRule { matches: matches?, policy })
}

fn destinations(mut section: Section<'_>, destinations: &mut Destinations) {
    section.read("unprefixed", &mut destinations.unprefixed);
    section.read("classrooms", &mut destinations.classrooms);
    section.read_if("private", &mut destinations.private, |words| {
        let is_word = |word: &String| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        match words.iter().all(is_word) {
            true => Ok(()),
            false => Err("Write words of letters, digits, - and _, for example [\"topic\"].".to_owned()),
        }
    });
}

fn queues(mut section: Section<'_>, queues: &mut Queues) {
    section.read_within("max_deliveries", &mut queues.max_deliveries, 1..=1000);
    section.read_within("bytes", &mut queues.bytes, KIB..=TB);
}

fn http(mut section: Section<'_>, http: &mut Http) {
    section.read("allowed_origins", &mut http.allowed_origins);
    section.read("hosts", &mut http.hosts);
    section.read("websocket_paths", &mut http.websocket_paths);
    section.read_within("header_timeout", &mut http.header_timeout, PATIENCE);
    section.read_within("header_bytes_max", &mut http.header_bytes_max, KIB..=MIB);
    section.read_within("upgrade_timeout", &mut http.upgrade_timeout, PATIENCE);
}

fn sockjs(mut section: Section<'_>, sockjs: &mut Sockjs) {
    section.read_within("gone_after", &mut sockjs.gone_after, SECOND..=MINUTE);
    section.read_within("heartbeat", &mut sockjs.heartbeat, SECOND..=10 * MINUTE);
    section.read_within("answer_bytes", &mut sockjs.answer_bytes, KIB..=GIB);
    section.read("client_url", &mut sockjs.client_url);
}

fn stomp(mut section: Section<'_>, stomp: &mut Stomp) {
    section.read_if("heartbeat_send", &mut stomp.heartbeat_send, heartbeat);
    section.read_if("heartbeat_receive", &mut stomp.heartbeat_receive, heartbeat);
    section.read_within("heartbeat_tolerance", &mut stomp.heartbeat_tolerance, 1.5..=10.0);
    section.read_within("connect_within", &mut stomp.connect_within, PATIENCE);
    section.read_within("frame_within", &mut stomp.frame_within, PATIENCE);
    section.read("shared_logins", &mut stomp.shared_logins);
}

fn heartbeat(interval: &Duration) -> Result<(), String> {
    if interval.is_zero() || (Duration::from_millis(100)..=Duration::from_secs(600)).contains(interval) {
        return Ok(());
    }
    Err("Write a duration from \"100ms\" to \"10m\", or \"0s\" for no heart-beats.".to_owned())
}

fn limits(mut section: Section<'_>, limits: &mut Limits) {
    section.read_within("connections", &mut limits.connections, 1..=10_000_000);
    section.read_within("connections_per_user", &mut limits.connections_per_user, 1..=10_000_000);
    section.read_if("connections_per_address", &mut limits.connections_per_address, |connections| match connections {
        Some(0) => Err("Write a whole number from 1 on, or \"none\" for no limit.".to_owned()),
        _ => Ok(()),
    });
    section.read_if("accepts_per_second", &mut limits.accepts_per_second, rate);
    section.read_within("handshakes_per_address", &mut limits.handshakes_per_address, 1..=1_000_000);
    section.read_within("subscriptions", &mut limits.subscriptions, 1..=65_536);
    section.read_within("header_count", &mut limits.header_count, 8..=1_024);
    section.read_within("header_bytes", &mut limits.header_bytes, KIB..=MIB);
    section.read_within("body_bytes", &mut limits.body_bytes, 1..=64 * MIB);
    section.read_within("bytes_before_connected", &mut limits.bytes_before_connected, KIB..=MIB);
    section.read_within("identifier_bytes", &mut limits.identifier_bytes, 16..=64 * KIB);
    section.read_within("transactions", &mut limits.transactions, 0..=1_024);
    section.read_within("transaction_messages", &mut limits.transaction_messages, 1..=65_535);
    section.read_within("transaction_bytes", &mut limits.transaction_bytes, KIB..=GIB);
    section.read_within("transaction_age", &mut limits.transaction_age, SECOND..=DAY);
    section.read_within("outbox_bytes", &mut limits.outbox_bytes, 4 * KIB..=GIB);
    section.read_within("in_flight_bytes", &mut limits.in_flight_bytes, 4 * KIB..=GIB);
    section.read_within("in_flight_messages", &mut limits.in_flight_messages, 1..=1_000_000);
    section.read_within("classrooms", &mut limits.classrooms, 1..=10_000_000);
    section.read_within("receipts", &mut limits.receipts, 1..=1_000_000);
    section.read_within("reply_queues", &mut limits.reply_queues, 0..=65_536);
    section.read_within("doctor_probes", &mut limits.doctor_probes, 0..=10_000);
    section.read_within("replies", &mut limits.replies, 1..=1_000_000);
    section.read_within("reply_bytes", &mut limits.reply_bytes, KIB..=GIB);
    section.read_if("publish_per_user", &mut limits.publish_per_user, rate);
    section.read_if("publish_per_service", &mut limits.publish_per_service, rate);
    section.read_if("publish_per_classroom", &mut limits.publish_per_classroom, rate);
    section.read_within("publish_wait", &mut limits.publish_wait, Duration::ZERO..=MINUTE);
}

/// So many in a second.
fn rate(rate: &Option<usize>) -> Result<(), String> {
    match rate {
        Some(rate) if !(1..=1_000_000).contains(rate) => {
            Err("Write how many in a second, from 1 to 1000000, or \"none\" for no limit.".to_owned())
        }
        _ => Ok(()),
    }
}

fn delivery(mut section: Section<'_>, delivery: &mut Delivery) {
    section.read_within("prefetch", &mut delivery.prefetch, 1..=65_535);
    section.read_within("ping_after", &mut delivery.ping_after, Duration::from_millis(10)..=MINUTE);
    section.read_within("ping_bytes", &mut delivery.ping_bytes, KIB..=GIB);
    section.read_within("reached_bytes_max", &mut delivery.reached_bytes_max, KIB..=GIB);
    section.read_within("recent_messages", &mut delivery.recent_messages, 1..=1_000_000);
    section.read_within("recent_bytes", &mut delivery.recent_bytes, KIB..=GIB);
    section.read_within("pages_bytes", &mut delivery.pages_bytes, 0..=64 * GIB);
    section.read_within("pages_bytes_per_classroom", &mut delivery.pages_bytes_per_classroom, 0..=GIB);
    section.read("fast_path", &mut delivery.fast_path);
    section.read_within("not_sent_low_water", &mut delivery.not_sent_low_water, 4 * KIB..=16 * MIB);
    section.read_within("takeover_delay_max", &mut delivery.takeover_delay_max, Duration::ZERO..=HOUR);
    section.read_within("refusal_delay_max", &mut delivery.refusal_delay_max, Duration::ZERO..=HOUR);
    section.read_within("subscribe_wait", &mut delivery.subscribe_wait, Duration::ZERO..=HOUR);
}

fn presence(mut section: Section<'_>, presence: &mut Presence) {
    section.read_within("grace", &mut presence.grace, Duration::ZERO..=HOUR);
    section.read_within("coalesce", &mut presence.coalesce, Duration::from_millis(10)..=MINUTE);
}

fn shutdown(mut section: Section<'_>, shutdown: &mut Shutdown) {
    section.read_within("spread", &mut shutdown.spread, Duration::ZERO..=HOUR);
    section.read_within("deadline", &mut shutdown.deadline, SECOND..=HOUR);
}

fn log(mut section: Section<'_>, log: &mut Log) {
    section.read_if("filter", &mut log.filter, |filter| {
        let parsed = tracing_subscriber::EnvFilter::try_new(filter);
        parsed.map(|_| ()).map_err(|error| {
            format!("Write a level (error, warn, info, debug, trace), or \"info,homeroom::http=debug\": {error}.")
        })
    });
    section.read("format", &mut log.format);
    section.read("audit", &mut log.audit);
}

fn access(mut section: Section<'_>, access: &mut Access) {
    section.read("users", &mut access.users);
    section.read("keys", &mut access.keys);
    section.read("anonymous", &mut access.anonymous);
    section.read_within("login_failures_per_account", &mut access.login_failures_per_account, 1..=1_000);
    section.read_within("login_failures_per_address", &mut access.login_failures_per_address, 1..=1_000);
    section.read_within("passwords_remembered", &mut access.passwords_remembered, Duration::ZERO..=DAY);
    section.read_within("hashes_at_once", &mut access.hashes_at_once, 1..=64);
    jwt(section.section("jwt"), &mut access.jwt);
    hook(section.section("hook"), &mut access.hook);
    access.rules = section.each("rules", access_rule);
}

fn access_rule(mut section: Section<'_>) -> Option<Rule> {
    let role = section.require::<Role>("role", "Say for whom the rule is: role = \"student\".");
    let may = section.require::<Vec<Action>>("may", "Say what they may: may = [\"subscribe\"].");
    let place = section.require::<Template>("where", "Say where: where = \"/topic/{classroom}/**\".");
    Some(Rule { role: role?.to_string().into(), may: may?, place: place? })
}

fn jwt(mut section: Section<'_>, jwt: &mut Jwt) {
    section.read("secret", &mut jwt.secret);
    section.read("secret_file", &mut jwt.secret_file);
    section.read("public_keys", &mut jwt.public_keys);
    section.read("jwks_url", &mut jwt.jwks_url);
    section.read_within("jwks_refresh", &mut jwt.jwks_refresh, SECOND..=DAY);
    section.read("jwks_over_http", &mut jwt.jwks_over_http);
    section.read_if("algorithms", &mut jwt.algorithms, |algorithms| match algorithms.is_empty() {
        true => Err("Name at least one of \"HS256\", \"RS256\", \"ES256\" and \"EdDSA\".".to_owned()),
        false => Ok(()),
    });
    section.read("issuer", &mut jwt.issuer);
    section.read("audience", &mut jwt.audience);
    section.read_within("leeway", &mut jwt.leeway, Duration::ZERO..=10 * MINUTE);
    section.read("cookie", &mut jwt.cookie);
    claims(section.section("claims"), &mut jwt.claims);
}

fn hook(mut section: Section<'_>, hook: &mut Hook) {
    section.read("url", &mut hook.url);
    section.read("over_http", &mut hook.over_http);
    section.read("token", &mut hook.token);
    section.read("token_file", &mut hook.token_file);
    section.read_if("acts", &mut hook.acts, |acts| match acts.is_empty() {
        true => Err(
            "Name at least one of \"connect\", \"subscribe\", \"send\" and \"group\"; url = \"off\" asks for nothing."
                .to_owned(),
        ),
        false => Ok(()),
    });
    section.read_within("timeout", &mut hook.timeout, Duration::from_millis(10)..=30 * SECOND);
    section.read_within("cache", &mut hook.cache, Duration::ZERO..=DAY);
    section.read_within("cache_entries", &mut hook.cache_entries, 2..=10_000_000);
    section.read_within("concurrency", &mut hook.concurrency, 1..=10_000);
}

fn claims(mut section: Section<'_>, claims: &mut Claims) {
    let is_name = |name: &String| match name.is_empty() || name.contains(char::is_control) {
        true => Err("Write the name of a claim, for example \"role\" or \"realm_access.roles\".".to_owned()),
        false => Ok(()),
    };
    section.read_if("user", &mut claims.user, is_name);
    section.read_if("role", &mut claims.role, is_name);
    section.read_if("classrooms", &mut claims.classrooms, is_name);
    section.read_if("name", &mut claims.name, is_name);
    section.read_if("id", &mut claims.id, is_name);
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TB: u64 = 1_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEARS: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
/// How long a peer may take for something short.
const PATIENCE: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=HOUR;
