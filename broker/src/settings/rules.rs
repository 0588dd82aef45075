//! What must hold between keys.

use std::net::SocketAddr;

use super::problem::{Problem, Source};
use super::reader::Entry;
use super::{Access, Algorithm, ClassroomRule, Hook, Jwt, ManagementAsks, ServerUrl, Settings};

/// Every rule that does not hold.
pub(super) fn broken(settings: &Settings, entries: &[Entry]) -> Vec<Problem> {
    let found = [
        reachable(settings),
        addresses(settings),
        management(settings),
        secrecy(settings),
        sizes(settings),
        times(settings),
        patterns(settings),
        access(&settings.access),
    ];
    found.into_iter().flatten().filter_map(|broken| broken.blame(entries)).collect()
}

/// A rule that does not hold.
struct Broken {
    /// The keys it is about, the likelier culprit first.
    keys: Vec<String>,
    remedy: String,
}

impl Broken {
    fn one(key: impl Into<String>, remedy: impl Into<String>) -> Broken {
        Broken { keys: vec![key.into()], remedy: remedy.into() }
    }

    fn two(key: impl Into<String>, other: &str, remedy: impl Into<String>) -> Broken {
        Broken { keys: vec![key.into(), other.to_owned()], remedy: remedy.into() }
    }

    /// The first key that somebody wrote is to blame: a default is right by itself.
    fn blame(self, entries: &[Entry]) -> Option<Problem> {
        let concerned: Vec<&Entry> =
            self.keys.iter().filter_map(|key| entries.iter().find(|entry| entry.key == *key)).collect();
        let written = concerned.iter().find(|entry| entry.source != Source::Default);
        let entry = written.or(concerned.first())?;
        Some(Problem {
            source: entry.source.clone(),
            key: entry.key.clone(),
            value: Some(entry.value.clone()),
            remedy: self.remedy,
        })
    }
}

fn listeners(settings: &Settings) -> Vec<(&'static str, SocketAddr)> {
    let listen = &settings.listen;
    let all =
        [("listen.http", Some(listen.http)), ("listen.stomp", listen.stomp), ("listen.management", listen.management)];
    all.into_iter().filter_map(|(key, address)| Some((key, address?))).collect()
}

/// While nobody has to show who they are, nobody else may come near unless the operator says so.
fn reachable(settings: &Settings) -> Vec<Broken> {
    if settings.listen.open_to_anyone || settings.access.is_asked_for() {
        return Vec::new();
    }
    let others = listeners(settings).into_iter().filter(|(_, address)| !address.ip().to_canonical().is_loopback());
    let remedy = "Other machines can reach this address, and whoever reaches the broker may read and send everything. \
                  Say who may come in (access.users, access.keys or access.jwt), listen on 127.0.0.1, or allow it with \
                  --open-to-anyone (listen.open_to_anyone = true).";
    others.map(|(key, _)| Broken::one(key, remedy)).collect()
}

/// Nobody can show who they are where nothing says who they could be.
fn management(settings: &Settings) -> Vec<Broken> {
    if settings.listen.management_asks != ManagementAsks::Always || settings.access.is_asked_for() {
        return Vec::new();
    }
    let remedy = "Nobody can show who they are: say who may come in (access.users, access.keys or access.jwt), or write \
                  \"elsewhere\".";
    vec![Broken::one("listen.management_asks", remedy)]
}

fn addresses(settings: &Settings) -> Vec<Broken> {
    let all = listeners(settings);
    let taken = all.iter().enumerate().filter_map(|(index, (key, address))| {
        let (other, _) = all[..index].iter().find(|(_, other)| other == address && address.port() != 0)?;
        Some(Broken::two(*key, other, format!("{other} and {key} are the same address: give each its own port.")))
    });
    taken.collect()
}

fn secrecy(settings: &Settings) -> Vec<Broken> {
    let (tls, proxies) = (&settings.tls, &settings.proxies);
    let mut broken = Vec::new();
    match (&tls.certificate, &tls.key) {
        (Some(_), None) => {
            let remedy = "A certificate is of no use without its private key: name it in tls.key.";
            broken.push(Broken::two("tls.certificate", "tls.key", remedy));
        }
        (None, Some(_)) => {
            let remedy = "A private key is of no use without its certificate: name it in tls.certificate.";
            broken.push(Broken::two("tls.key", "tls.certificate", remedy));
        }
        (Some(_), Some(_)) if tls.listeners.is_empty() => {
            let remedy = "There is a certificate and no listener that shows it: write [\"http\", \"stomp\"].";
            broken.push(Broken::one("tls.listeners", remedy));
        }
        _ => {}
    }
    if !proxies.proxy_protocol.is_empty() && proxies.trusted.is_empty() {
        let remedy = "Only proxies that are listed are believed, and none is: name their addresses in proxies.trusted.";
        broken.push(Broken::two("proxies.proxy_protocol", "proxies.trusted", remedy));
    }
    broken
}

fn sizes(settings: &Settings) -> Vec<Broken> {
    let limits = &settings.limits;
    let mut broken = Vec::new();
    let mut holds_a_body = |key: String, bytes: u64, otherwise: &str| {
        if bytes < limits.body_bytes {
            let remedy = format!("{otherwise}: {key} must be at least limits.body_bytes.");
            broken.push(Broken::two(key, "limits.body_bytes", remedy));
        }
    };
    let too_large = "The largest message would fit into no transaction";
    holds_a_body("limits.transaction_bytes".to_owned(), limits.transaction_bytes, too_large);
    let refused = "The largest message would never be stored";
    holds_a_body("storage.queue_bytes_max".to_owned(), settings.storage.queue_bytes_max, refused);
    let forgotten = "The largest message would be forgotten as soon as it is stored";
    holds_a_body("retention.bytes".to_owned(), settings.retention.bytes, forgotten);
    let full = "The largest message would fit into no queue";
    holds_a_body("queues.bytes".to_owned(), settings.queues.bytes, full);
    for (index, rule) in settings.classrooms.iter().enumerate() {
        let bytes = rule.policy.retention.bytes;
        if bytes != settings.retention.bytes {
            holds_a_body(format!("classrooms[{index}].retention.bytes"), bytes, forgotten);
        }
    }
    if limits.connections_per_address.is_some_and(|each| each > limits.connections) {
        let remedy = "One address may not have more than all together: limits.connections_per_address must be at \
                      most limits.connections, or \"none\".";
        broken.push(Broken::two("limits.connections_per_address", "limits.connections", remedy));
    }
    if limits.publish_per_user.zip(limits.publish_per_classroom).is_some_and(|(each, all)| each > all) {
        let remedy = "One user may not send more than all together: limits.publish_per_user must be at most \
                      limits.publish_per_classroom, or one of them \"none\".";
        broken.push(Broken::two("limits.publish_per_user", "limits.publish_per_classroom", remedy));
    }
    if settings.delivery.pages_bytes_per_classroom > settings.delivery.pages_bytes {
        let remedy = "One classroom may not keep more than all together: delivery.pages_bytes_per_classroom must be at \
                      most delivery.pages_bytes.";
        broken.push(Broken::two("delivery.pages_bytes_per_classroom", "delivery.pages_bytes", remedy));
    }
    broken
}

fn times(settings: &Settings) -> Vec<Broken> {
    let mut broken = Vec::new();
    if settings.shutdown.deadline <= settings.shutdown.spread {
        let remedy = "After the last connection is closed the store must be synced: shutdown.deadline must be longer \
                      than shutdown.spread.";
        broken.push(Broken::two("shutdown.deadline", "shutdown.spread", remedy));
    }
    if settings.http.upgrade_timeout < settings.http.header_timeout {
        let remedy =
            "The headers are a part of the upgrade: http.upgrade_timeout must be at least http.header_timeout.";
        broken.push(Broken::two("http.upgrade_timeout", "http.header_timeout", remedy));
    }
    broken
}

/// The first rule that matches holds, so one behind a wider one never does.
fn patterns(settings: &Settings) -> Vec<Broken> {
    let rules = &settings.classrooms;
    let hidden = rules.iter().enumerate().filter_map(|(index, rule)| Some((index, hidden_by(rule, &rules[..index])?)));
    hidden
        .map(|(index, wider)| {
            let remedy = format!(
                "This never holds, since \"{}\" above it covers the same names and the first rule that matches holds: \
                 put this one first.",
                wider.matches
            );
            Broken::one(format!("classrooms[{index}].match"), remedy)
        })
        .collect()
}

fn hidden_by<'a>(rule: &ClassroomRule, earlier: &'a [ClassroomRule]) -> Option<&'a ClassroomRule> {
    earlier.iter().find(|other| other.matches.covers(&rule.matches.to_string()))
}

fn access(access: &Access) -> Vec<Broken> {
    let mut broken = tokens(&access.jwt);
    broken.extend(hook(&access.hook, access.is_asked_for()));
    if access.anonymous.is_some() && !access.is_asked_for() {
        let remedy = "As long as nobody has to show who they are, everybody may do everything, whatever their role: set \
                      access.users, access.keys or access.jwt as well.";
        broken.push(Broken::one("access.anonymous", remedy));
    }
    if !access.rules.is_empty() && !access.is_asked_for() {
        let remedy = "As long as nobody has to show who they are, everybody may do everything, and rules hold for nobody: \
                      set access.users, access.keys or access.jwt as well.";
        broken.push(Broken::one("access.rules[0].role", remedy));
    }
    broken
}

fn tokens(jwt: &Jwt) -> Vec<Broken> {
    let mut broken = Vec::new();
    if jwt.secret.is_some() && jwt.secret_file.is_some() {
        let remedy = "There is one secret: leave out access.jwt.secret or access.jwt.secret_file.";
        broken.push(Broken::two("access.jwt.secret", "access.jwt.secret_file", remedy));
    }
    if let Some(url) = in_the_clear(jwt.jwks_url.as_ref(), jwt.jwks_over_http) {
        let remedy = format!(
            "Whoever can change what comes from {} can let anybody in: write https://, or allow it with \
             access.jwt.jwks_over_http = true.",
            url.host()
        );
        broken.push(Broken::one("access.jwt.jwks_url", remedy));
    }
    let by_secret = jwt.algorithms.contains(&Algorithm::Hs256);
    let by_key = jwt.algorithms.iter().any(|algorithm| *algorithm != Algorithm::Hs256);
    if (jwt.has_secret() && !by_secret) || (jwt.has_public_keys() && !by_key) {
        let remedy = "A secret checks HS256 alone, public keys the others: name what fits the keys you have, or leave \
                      access.jwt.algorithms out.";
        broken.push(Broken::one("access.jwt.algorithms", remedy));
    }
    if !jwt.has_keys() {
        let without = [
            ("access.jwt.issuer", jwt.issuer.is_some()),
            ("access.jwt.audience", !jwt.audience.is_empty()),
            ("access.jwt.cookie", jwt.cookie.is_some()),
        ];
        let remedy = "Nothing can check a token: set access.jwt.secret_file, access.jwt.public_keys or \
                      access.jwt.jwks_url as well.";
        let set = without.into_iter().filter(|(_, is_set)| *is_set).take(1);
        broken.extend(set.map(|(key, _)| Broken::one(key, remedy)));
    }
    broken
}

fn hook(hook: &Hook, is_asked_for: bool) -> Vec<Broken> {
    let mut broken = Vec::new();
    if hook.url.is_some() && !is_asked_for {
        let remedy = "As long as nobody has to show who they are, everybody may do everything, and nothing is asked: set \
                      access.users, access.keys or access.jwt as well.";
        broken.push(Broken::one("access.hook.url", remedy));
    }
    if let Some(url) = in_the_clear(hook.url.as_ref(), hook.over_http) {
        let remedy = format!(
            "Whoever can change what comes from {} decides who may do what, and reads the token: write https://, or \
             allow it with access.hook.over_http = true.",
            url.host()
        );
        broken.push(Broken::one("access.hook.url", remedy));
    }
    if hook.token.is_some() && hook.token_file.is_some() {
        let remedy = "There is one token: leave out access.hook.token or access.hook.token_file.";
        broken.push(Broken::two("access.hook.token", "access.hook.token_file", remedy));
    }
    if hook.url.is_none() && (hook.token.is_some() || hook.token_file.is_some()) {
        let remedy = "Nobody is asked, so nobody is shown a token: set access.hook.url as well.";
        broken.push(Broken::two("access.hook.token", "access.hook.token_file", remedy));
    }
    broken
}

/// An address on another machine that is asked without TLS although that was not allowed.
fn in_the_clear(url: Option<&ServerUrl>, is_allowed: bool) -> Option<&ServerUrl> {
    url.filter(|url| !url.is_https() && !url.is_loopback() && !is_allowed)
}
