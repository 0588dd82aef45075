//! Bad configurations and good ones, as an operator writes them.

use std::fmt::Write as _;
use std::io::Write as _;

use proptest::prelude::*;

use super::*;

/// Loads a file of that text together with variables and flags.
fn load_with(text: &str, environment: &[(&str, &str)], flags: &[Flag]) -> Result<Loaded, Problems> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let loaded = load(&Sources {
        file: Some(file.path().to_owned()),
        environment: environment.iter().map(owned).collect(),
        flags: flags.to_vec(),
    });
    loaded.map_err(|problems| renamed(problems, &file.path().display().to_string()))
}

fn renamed(problems: Problems, from: &str) -> Problems {
    let rename = |mut problem: Problem| {
        if let Source::File { path, .. } = &mut problem.source {
            *path = path.replace(from, "homeroom.toml");
        }
        problem
    };
    Problems(problems.0.into_iter().map(rename).collect())
}

/// Files that are refused: the key that the answer must name, and the file.
const BAD_FILES: &[(&str, &str)] = &[
    // Misspelt.
    ("listen.htp", "[listen]\nhtp = \"127.0.0.1:1\""),
    ("limits.body_byte", "[limits]\nbody_byte = \"1MB\""),
    ("limit.body_bytes", "[limit]\nbody_bytes = \"1MB\""),
    ("prefetch", "prefetch = 10"),
    ("tls.certificate", "[tls]\ncertificate = \"a.pem\""),
    ("limts", "[limts]"),
    ("limits?99999999999?", "\"limits[99999999999]\" = 1"),
    ("log.filter", "[log.filter]\nlevel = \"info\""),
    ("classrooms[0].pattern", "[[classrooms]]\nmatch = \"7b\"\npattern = \"8b\""),
    ("classrooms[0].retention.days", "[[classrooms]]\nmatch = \"7b\"\nretention.days = 3"),
    // Of the wrong kind.
    ("listen", "listen = \"127.0.0.1:8080\""),
    ("limits", "limits = 3"),
    ("listen.http", "[listen]\nhttp = 8080"),
    ("listen.open_to_anyone", "[listen]\nopen_to_anyone = \"yes\""),
    ("storage.path", "[storage]\npath = 5"),
    ("storage.path", "[storage]\npath = \"\""),
    ("limits.connections", "[limits]\nconnections = \"many\""),
    ("limits.connections", "[limits]\nconnections = 2.5"),
    ("limits.connections", "[limits]\nconnections = [1]"),
    ("stomp.heartbeat_tolerance", "[stomp]\nheartbeat_tolerance = \"high\""),
    ("stomp.heartbeat_tolerance", "[stomp]\nheartbeat_tolerance = nan"),
    ("stomp.shared_logins", "[stomp]\nshared_logins = [1, 2]"),
    ("stomp.shared_logins", "[stomp]\nshared_logins = true"),
    ("log.format", "[log]\nformat = 1"),
    ("classrooms", "classrooms = \"7b\""),
    ("classrooms", "[classrooms]\nmatch = \"7b\""),
    ("classrooms", "classrooms = [\"7b\"]"),
    ("classrooms[0].retention", "[[classrooms]]\nmatch = \"7b\"\nretention = \"7d\""),
    ("presence.grace", "[presence]\ngrace = 1979-05-27"),
    // No such value.
    ("listen.http", "[listen]\nhttp = \"127.0.0.1\""),
    ("listen.http", "[listen]\nhttp = \"127.0.0.1:99999\""),
    ("listen.http", "[listen]\nhttp = \"off\""),
    ("listen.stomp", "[listen]\nstomp = \"of\""),
    ("listen.management", "[listen]\nmanagement = \"management.school.example:1\""),
    ("storage.engine", "[storage]\nengine = \"rocksdb\""),
    ("storage.ballast", "[storage]\nballast = \"64M\""),
    ("storage.free_space_min", "[storage]\nfree_space_min = -1"),
    ("storage.cursor_ttl", "[storage]\ncursor_ttl = \"90 days\""),
    ("storage.scrub_after", "[storage]\nscrub_after = \"never\""),
    ("delivery.pages_bytes", "[delivery]\npages_bytes = \"none\""),
    ("presence.grace", "[presence]\ngrace = 20"),
    ("retention.records", "[retention]\nrecords = \"all\""),
    ("destinations.unprefixed", "[destinations]\nunprefixed = \"drop\""),
    ("destinations.classrooms", "[destinations]\nclassrooms = [\"/topic/course/*\"]"),
    ("destinations.private", "[destinations]\nprivate = [\"/user/topic/**\"]"),
    ("http.allowed_origins", "[http]\nallowed_origins = [\"*\"]"),
    ("http.allowed_origins", "[http]\nallowed_origins = [\"https://school.example/lessons\"]"),
    ("http.hosts", "[http]\nhosts = [\"https://lessons.school.example\"]"),
    ("http.websocket_paths", "[http]\nwebsocket_paths = [\"/websocket/websocket\", \"api/ws\"]"),
    ("http.websocket_paths", "[http]\nwebsocket_paths = [\"/websocket?token=1\"]"),
    ("http.websocket_paths", "[http]\nwebsocket_paths = [\"/v1/time\"]"),
    ("http.websocket_paths", "[http]\nwebsocket_paths = [1]"),
    ("sockjs.client_url", "[sockjs]\nclient_url = \"sockjs.js\""),
    ("log.filter", "[log]\nfilter = \"homeroom=loud\""),
    ("log.format", "[log]\nformat = \"xml\""),
    ("classrooms[0].match", "[[classrooms]]\nmatch = \"\""),
    ("classrooms[0].match", "[[classrooms]]\ndurable = \"asked\""),
    ("classrooms[0].match", "[[classrooms]]\nmatch = \"course/7b\""),
    ("classrooms[0].durable", "[[classrooms]]\nmatch = \"7b\"\ndurable = \"always\""),
    ("classrooms[0].start", "[[classrooms]]\nmatch = \"7b\"\nstart = \"yesterday\""),
    ("tls.certificate", "[tls]\ncertificate = 1"),
    ("tls.certificate", "[tls]\ncertificate = \"\""),
    ("tls.listeners", "[tls]\nlisteners = [\"https\"]"),
    ("tls.listeners", "[tls]\nlisteners = 3"),
    ("tls.minimum_version", "[tls]\nminimum_version = \"1.1\""),
    ("proxies.trusted", "[proxies]\ntrusted = [\"proxy.school.example\"]"),
    ("proxies.trusted", "[proxies]\ntrusted = [\"10.0.0.1/8\"]"),
    ("proxies.proxy_protocol", "[proxies]\ntrusted = [\"10.0.0.1\"]\nproxy_protocol = [\"management\"]"),
    // Out of bounds.
    ("tls.handshake_timeout", "[tls]\nhandshake_timeout = \"0s\""),
    ("tls.handshakes", "[tls]\nhandshakes = 0"),
    ("tls.look_every", "[tls]\nlook_every = \"1d\""),
    ("limits.connections", "[limits]\nconnections = 0"),
    ("limits.connections_per_address", "[limits]\nconnections_per_address = 0"),
    ("limits.accepts_per_second", "[limits]\naccepts_per_second = 0"),
    ("limits.handshakes_per_address", "[limits]\nhandshakes_per_address = 0"),
    ("limits.publish_per_user", "[limits]\npublish_per_user = \"unlimited\""),
    ("limits.publish_per_service", "[limits]\npublish_per_service = 2000000"),
    ("limits.publish_per_classroom", "[limits]\npublish_per_classroom = 0"),
    ("limits.publish_wait", "[limits]\npublish_wait = \"1h\""),
    ("limits.body_bytes", "[limits]\nbody_bytes = \"1GiB\""),
    ("queues.max_deliveries", "[queues]\nmax_deliveries = 0"),
    ("queues.bytes", "[queues]\nbytes = \"1MB\""),
    ("limits.header_count", "[limits]\nheader_count = 1"),
    ("limits.outbox_bytes", "[limits]\noutbox_bytes = \"1B\""),
    ("limits.transaction_age", "[limits]\ntransaction_age = \"0s\""),
    ("delivery.prefetch", "[delivery]\nprefetch = 1000000"),
    ("delivery.ping_after", "[delivery]\nping_after = \"0s\""),
    ("delivery.pages_bytes", "[delivery]\npages_bytes = \"1TiB\""),
    ("delivery.pages_bytes_per_classroom", "[delivery]\npages_bytes_per_classroom = \"2GiB\""),
    ("storage.scrub_after", "[storage]\nscrub_after = \"2d\""),
    ("stomp.heartbeat_send", "[stomp]\nheartbeat_send = \"1ms\""),
    ("stomp.heartbeat_tolerance", "[stomp]\nheartbeat_tolerance = 1"),
    ("retention.records", "[retention]\nrecords = 0"),
    ("retention.age", "[retention]\nage = \"99999999d\""),
    // Right alone, wrong together.
    ("tls.key", "[tls]\nkey = \"k.pem\""),
    ("tls.listeners", "[tls]\ncertificate = \"a.pem\"\nkey = \"k.pem\"\nlisteners = []"),
    ("proxies.proxy_protocol", "[proxies]\nproxy_protocol = [\"http\"]"),
    ("listen.http", "[listen]\nhttp = \"0.0.0.0:8080\""),
    ("listen.stomp", "[listen]\nstomp = \"[::]:61613\""),
    ("listen.management", "[listen]\nmanagement = \"192.168.1.5:9090\""),
    ("listen.management_asks", "[listen]\nmanagement_asks = \"always\""),
    ("listen.stomp", "[listen]\nhttp = \"127.0.0.1:5000\"\nstomp = \"127.0.0.1:5000\""),
    ("retention.bytes", "[retention]\nbytes = \"64KB\""),
    ("classrooms[0].retention.bytes", "[[classrooms]]\nmatch = \"7b\"\nretention.bytes = \"64KB\""),
    ("storage.queue_bytes_max", "[storage]\nqueue_bytes_max = \"1MiB\"\n[limits]\nbody_bytes = \"2MiB\""),
    ("limits.transaction_bytes", "[limits]\ntransaction_bytes = \"64KiB\""),
    ("limits.connections_per_address", "[limits]\nconnections = 10\nconnections_per_address = 20"),
    ("limits.publish_per_classroom", "[limits]\npublish_per_classroom = 100"),
    ("delivery.pages_bytes", "[delivery]\npages_bytes = \"512KiB\""),
    ("delivery.pages_bytes_per_classroom", "[delivery]\npages_bytes_per_classroom = \"64MiB\""),
    ("shutdown.spread", "[shutdown]\nspread = \"20s\""),
    ("http.header_timeout", "[http]\nheader_timeout = \"20s\""),
    ("access.user", "[access]\nuser = \"users.toml\""),
    ("access.jwt.secrets", "[access.jwt]\nsecrets = \"x\""),
    ("access.jwt.claims.sub", "[access.jwt.claims]\nsub = \"user\""),
    ("access.users", "[access]\nusers = \"\""),
    ("access.users", "[access]\nusers = true"),
    ("access.anonymous", "[access]\nkeys = \"keys.toml\"\nanonymous = \"\""),
    ("access.hashes_at_once", "[access]\nhashes_at_once = 0"),
    ("access.login_failures_per_account", "[access]\nlogin_failures_per_account = \"none\""),
    ("access.jwt.secret", "[access.jwt]\nsecret = \"canary\""),
    ("access.jwt.secret", "[access.jwt]\nsecret = [\"canary\"]"),
    ("access.jwt.public_keys", "[access.jwt]\npublic_keys = [\"\"]"),
    ("access.jwt.jwks_url", "[access.jwt]\njwks_url = \"school.example/keys\""),
    ("access.jwt.algorithms", "[access.jwt]\nalgorithms = [\"none\"]"),
    ("access.jwt.algorithms", "[access.jwt]\nalgorithms = []"),
    ("access.jwt.leeway", "[access.jwt]\nleeway = \"1h\""),
    ("access.jwt.cookie", "[access.jwt]\ncookie = \"a b\""),
    ("access.jwt.claims.role", "[access.jwt.claims]\nrole = \"\""),
    // ... and together.
    ("access.anonymous", "[access]\nanonymous = \"guest\""),
    ("access.jwt.secret", "[access.jwt]\nsecret = \"canary canary canary canary canary\"\nsecret_file = \"/s\""),
    ("access.jwt.jwks_url", "[access.jwt]\njwks_url = \"http://school.example/keys\""),
    ("access.jwt.algorithms", "[access.jwt]\nsecret_file = \"/s\"\nalgorithms = [\"RS256\"]"),
    ("access.jwt.algorithms", "[access.jwt]\npublic_keys = [\"a.pem\"]\nalgorithms = [\"HS256\"]"),
    ("access.jwt.issuer", "[access.jwt]\nissuer = \"https://school.example\""),
    ("access.jwt.cookie", "[access]\nusers = \"users.toml\"\njwt.cookie = \"session\""),
    ("classrooms[1].match", "[[classrooms]]\nmatch = \"7*\"\n[[classrooms]]\nmatch = \"7b*\""),
    // The hook.
    ("access.hook.url", "[access.hook]\nurl = \"school.example/decide\""),
    ("access.hook.url", "[access]\nkeys = \"k\"\n[access.hook]\nurl = \"ftp://school.example/decide\""),
    ("access.hook.url", "[access]\nkeys = \"k\"\n[access.hook]\nurl = \"http://school.example/decide\""),
    ("access.hook.url", "[access.hook]\nurl = \"http://127.0.0.1:9000/decide\""),
    ("access.hook.timeout", "[access.hook]\ntimeout = 2"),
    ("access.hook.timeout", "[access.hook]\ntimeout = \"1h\""),
    ("access.hook.acts", "[access.hook]\nacts = []"),
    ("access.hook.acts", "[access.hook]\nacts = [\"publish\"]"),
    ("access.hook.token", "[access]\nkeys = \"k\"\n[access.hook]\nurl = \"https://a.example/\"\ntoken = \"short\""),
    ("access.hook.token_file", "[access.hook]\ntoken_file = \"t\""),
];

/// Files that are no TOML: the line that the answer must name, and the file.
const NO_TOML: &[(usize, &str)] = &[
    (1, "[listen"),
    (2, "[listen]\nhttp = 127.0.0.1:8080"),
    (2, "[listen]\nhttp"),
    (3, "[log]\nfilter = \"info\"\nfilter = \"debug\""),
    (2, "[log]\nfilter = \"info"),
];

#[test]
fn every_bad_file_is_refused_by_the_name_of_its_key() {
    for (key, text) in BAD_FILES {
        let problems = load_with(text, &[], &[]).expect_err(text);
        assert!(problems.0.iter().any(|problem| problem.key == *key), "{key} is not named:\n{text}\n{problems}");
        assert!(problems.0.iter().all(|problem| !problem.remedy.is_empty()), "{problems}");
    }
    for (line, text) in NO_TOML {
        let problems = load_with(text, &[], &[]).expect_err(text);
        let expected = format!("homeroom.toml:{line}\n");
        assert!(problems.to_string().contains(&expected), "{expected} is not named:\n{text}\n{problems}");
    }
}

#[test]
fn one_mistake_is_one_problem() {
    for (_, text) in BAD_FILES {
        let problems = load_with(text, &[], &[]).expect_err(text);
        assert_eq!(problems.0.len(), 1, "{text}\n{problems}");
    }
}

#[test]
fn the_answers_read_well() {
    let mut all = String::new();
    for text in BAD_FILES.iter().map(|(_, text)| text).chain(NO_TOML.iter().map(|(_, text)| text)) {
        let problems = load_with(text, &[], &[]).expect_err(text);
        let shown: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        writeln!(all, "{text}\n\n{}\n\n{}\n", shown.join("\n"), "-".repeat(100)).unwrap();
    }
    insta::assert_snapshot!("bad_files", all);
}

#[test]
fn all_problems_are_reported_at_once_with_their_sources() {
    let text = "# A configuration with many faults.\n[listen]\nhttp = \"0.0.0.0:80\"\n\n[limits]\nbody_byte = \"1MB\"\n\
                connections = \"many\"\n\n[presence]\ngrace = 20\n";
    let environment = [
        ("HOMEROOM__STORAGE__ENGIN", "sled"),
        ("HOMEROOM__LOG__FORMAT", "xml"),
        ("HOMEROOM_PORT", "tcp://10.0.0.11:8080"),
        ("HOMEROOM_SERVICE_HOST", "10.0.0.11"),
    ];
    let flags = [Flag { name: "--stomp", key: "listen.stomp", value: "61613".to_owned() }];
    insta::assert_snapshot!("many_problems", load_with(text, &environment, &flags).unwrap_err());
}

#[test]
fn a_secret_is_in_no_answer_and_in_no_list() {
    let bad = ["[access.jwt]\nsecret = \"canary\"", "[access.jwt]\nsecret = { a = \"canary\" }"];
    for text in bad.into_iter().chain([BAD_FILES[BAD_FILES.len() - 7].1]) {
        assert!(!load_with(text, &[], &[]).expect_err(text).to_string().contains("canary"), "{text}");
    }
    let environment = [("HOMEROOM__ACCESS__JWT__SECRET", "canary canary canary canary canary")];
    let loaded = load_with("", &environment, &[]).unwrap();
    assert!(!loaded.to_string().contains("canary") && !format!("{loaded:?}").contains("canary"), "{loaded}");
    assert!(loaded.to_string().contains("jwt.secret = \"…\"  # environment variable"), "{loaded}");
    let secret = loaded.settings.access.jwt.secret.unwrap();
    assert_eq!(secret.expose(), environment[0].1);
}

#[test]
fn other_machines_may_come_near_once_they_have_to_show_who_they_are() {
    let open = "[listen]\nhttp = \"0.0.0.0:8080\"\n";
    for access in
        ["users = \"users.toml\"", "keys = \"keys.toml\"", "jwt.secret_file = \"/s\"", "jwt.public_keys = [\"a\"]"]
    {
        assert!(load_with(&format!("{open}[access]\n{access}"), &[], &[]).is_ok(), "{access}");
    }
    assert!(load_with(&format!("{open}[access]\nanonymous = \"guest\""), &[], &[]).is_err());
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let sources = Sources { file: Some("/nowhere/homeroom.toml".into()), ..Sources::default() };
    let problems = load(&sources).unwrap_err().to_string();
    assert!(problems.contains("/nowhere/homeroom.toml") && problems.contains("--config"), "{problems}");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let text = "[listen]\nhttp = \"127.0.0.1:1\"\nstomp = \"127.0.0.1:2\"\nmanagement = \"off\"\n";
    let environment = [("HOMEROOM__LISTEN__STOMP", "off"), ("HOMEROOM__LISTEN__HTTP", "localhost:3")];
    let flags = [Flag { name: "--listen", key: "listen.http", value: "[::1]:0".to_owned() }];
    let loaded = load_with(text, &environment, &flags).unwrap();
    let listen = &loaded.settings.listen;
    assert_eq!((listen.http, listen.stomp, listen.management), ("[::1]:0".parse().unwrap(), None, None));
    let sources: Vec<String> = loaded.entries[..3].iter().map(|entry| entry.source.to_string()).collect();
    assert_eq!(sources[..2], ["flag --listen", "environment variable HOMEROOM__LISTEN__STOMP"]);
    assert!(sources[2].ends_with(":4"), "{}", sources[2]);
}

#[test]
fn every_kind_of_value_can_come_from_the_environment() {
    let environment = [
        ("HOMEROOM__LIMITS__CONNECTIONS", "7"),
        ("HOMEROOM__LIMITS__BODY_BYTES", "65536"),
        ("HOMEROOM__STOMP__HEARTBEAT_TOLERANCE", "3"),
        ("HOMEROOM__STOMP__SHARED_LOGINS", "guest, pupil"),
        ("HOMEROOM__HTTP__ALLOWED_ORIGINS", "https://a.example,https://b.example:8443"),
        ("HOMEROOM__HTTP__WEBSOCKET_PATHS", "/websocket/websocket, /api/ws/websocket"),
        ("HOMEROOM__LISTEN__OPEN_TO_ANYONE", "true"),
        ("HOMEROOM__PRESENCE__GRACE", "1m"),
    ];
    let settings = load_with("", &environment, &[]).unwrap().settings;
    assert_eq!(settings.limits.connections, 7);
    assert_eq!(settings.limits.body_bytes, 65_536);
    assert_eq!(settings.stomp.heartbeat_tolerance, 3.0);
    assert_eq!(settings.stomp.shared_logins.iter().collect::<Vec<_>>(), ["guest", "pupil"]);
    assert_eq!(settings.http.allowed_origins[1].as_str(), "https://b.example:8443");
    assert_eq!(settings.http.websocket_paths[1].as_str(), "/api/ws/websocket");
    assert!(settings.listen.open_to_anyone);
    assert_eq!(settings.presence.grace.as_secs(), 60);
}

#[test]
fn the_first_rule_that_matches_a_classroom_holds() {
    let text = "[retention]\nage = \"3d\"\n\
                [[classrooms]]\nmatch = \"7b\"\nstart = \"2h\"\nretention = { bytes = \"8MB\", records = 100 }\n\
                [[classrooms]]\nmatch = \"7*\"\ndurable = \"signed-in\"\nstart = \"earliest\"\n";
    let settings = load_with(text, &[], &[]).unwrap().settings;
    let (b, c, other) = (settings.classroom("7b"), settings.classroom("7c"), settings.classroom("8a"));
    assert_eq!((b.durable, b.start), (Durable::Asked, Start::Back(std::time::Duration::from_secs(7200))));
    assert_eq!((b.retention.bytes, b.retention.records, b.retention.age), (8_000_000, 100, settings.retention.age));
    assert_eq!((c.durable, c.start, c.retention), (Durable::SignedIn, Start::Earliest, settings.retention));
    assert_eq!((other.durable, other.start, other.retention), (Durable::Asked, Start::Now, settings.retention));
}

#[test]
fn the_documented_file_holds_every_key_with_its_default() {
    let documented = load_with(include_str!("../../../deploy/homeroom.toml"), &[], &[]).unwrap();
    let defaults = load(&Sources::default()).unwrap();
    assert_eq!(documented.settings, Settings::default());
    assert_eq!(defaults.settings, Settings::default());
    for (written, default) in documented.entries.iter().zip(&defaults.entries) {
        assert_eq!((&written.key, &written.value), (&default.key, &default.value));
        assert!(matches!(written.source, Source::File { .. }), "{} is missing in deploy/homeroom.toml", written.key);
    }
    assert_eq!(documented.entries.len(), defaults.entries.len());
}

#[test]
fn the_documented_rule_for_classrooms_can_be_used() {
    let text = include_str!("../../../deploy/homeroom.toml");
    let (_, rule) = text.split_once("# [[classrooms]]").unwrap();
    let rule = rule.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let settings = load_with(&format!("[[classrooms]]{rule}"), &[], &[]).unwrap().settings;
    assert_eq!(settings.classrooms[0].policy.durable, Durable::SignedIn);
}

#[test]
fn what_is_printed_can_be_loaded() {
    let text = "[http]\nallowed_origins = [\"https://a.example\"]\nhosts = [\"a.example\", \"[::1]\"]\nwebsocket_paths = [\"/a\", \"/b\"]\n[retention]\nrecords = 5\n\
                [tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\"\nlisteners = [\"stomp\"]\nminimum_version = \"1.3\"\n\
                [proxies]\ntrusted = [\"10.0.0.0/8\", \"::1\"]\nproxy_protocol = [\"http\"]\n\
                [[classrooms]]\nmatch = \"7*\"\nretention.age = \"1d\"\n[[classrooms]]\nmatch = \"8\"\n";
    let loaded = load_with(text, &[("HOMEROOM__LISTEN__STOMP", "off")], &[]).unwrap();
    let printed = loaded.to_string();
    assert_eq!(load_with(&printed, &[], &[]).unwrap().settings, loaded.settings, "{printed}");
    assert!(printed.contains("stomp = \"off\"  # environment variable HOMEROOM__LISTEN__STOMP"), "{printed}");
}

proptest! {
    #[test]
    fn any_text_is_loaded_or_refused(text: String) {
        let _ = load_with(&text, &[], &[]);
    }

    #[test]
    fn any_key_with_any_value_is_loaded_or_refused(
        key in "(listen|limits|classrooms|log|x)?[.\\[\\]\"a-z0-9_-]{0,24}",
        value in "[^\u{0}]{0,40}",
    ) {
        let _ = load_with(&format!("{key} = {value}"), &[(&format!("HOMEROOM__{}", key.to_uppercase()), &value)], &[]);
        let quoted = format!("{} = {}", toml::Value::from(key.as_str()), toml::Value::from(value.as_str()));
        let _ = load_with(&quoted, &[], &[]);
    }
}
