//! The broker as its operator sees it: a process, a directory, three addresses.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::authority::Authority;
use crate::canaries::{canary, leaks};
use crate::tunnel::Tunnel;
use crate::wait::within;

/// A broker answers within this time also on a busy machine and a debug build.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// What to start, and where.
#[derive(Clone)]
pub struct Setup {
    directory: Arc<TempDir>,
    data: PathBuf,
    config: String,
    flags: Vec<String>,
    through: Vec<String>,
    environment: Vec<(String, String)>,
    authority: Option<Arc<Authority>>,
    tunnels: bool,
}

/// Where a broker listens, each `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Pages and WebSocket.
    pub http: String,
    /// STOMP over TCP.
    pub stomp: String,
    /// Health and metrics.
    pub management: String,
}

/// A running broker. Killed when dropped, and then its log, at TRACE, may hold nothing that was sent or shown to it.
pub struct Broker {
    setup: Setup,
    process: Child,
    process_id: Pid,
    addresses: Addresses,
    /// Where it listens itself; `addresses` may lead there through tunnels.
    direct: Addresses,
    _tunnels: Vec<Tunnel>,
    stdout: Lines<BufReader<ChildStdout>>,
}

/// A broker that did not start.
#[derive(Debug)]
pub struct Refused {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Default for Setup {
    fn default() -> Self {
        let mut directory = TempDir::with_prefix("homeroom-test-").expect("a temporary directory");
        // HOMEROOM_KEEP leaves the broker's directory to be looked at: `homeroom store verify --data …/data`.
        directory.disable_cleanup(std::env::var_os("HOMEROOM_KEEP").is_some());
        let data = directory.path().join("data");
        // Tests are refused again and again, and nobody waits for that unless a test says so.
        let environment = [("DELIVERY__REFUSAL_DELAY_MAX", "0s"), ("LOG__FILTER", "trace")];
        let environment = environment.map(|(name, value)| (format!("HOMEROOM__{name}"), value.to_owned())).to_vec();
        let (directory, config, flags, through) = (Arc::new(directory), String::new(), Vec::new(), Vec::new());
        let setup = Self { directory, data, config, flags, through, environment, authority: None, tunnels: false };
        // HOMEROOM_OVER_TLS has every client of every test speak under TLS.
        if std::env::var_os("HOMEROOM_OVER_TLS").is_some() { setup.over_tls() } else { setup }
    }
}

impl Setup {
    /// With this text as `homeroom.toml`, after what was given before.
    #[must_use]
    pub fn config(mut self, toml: &str) -> Self {
        // Nothing that the log may show is set in these lines.
        toml.lines().filter(|line| line.trim_start().starts_with("secret")).for_each(canary);
        self.config.push_str(toml);
        self.config.push('\n');
        self
    }

    /// With TLS on HTTP and STOMP, and a certificate of this authority.
    #[must_use]
    pub fn tls(mut self, authority: &Arc<Authority>) -> Self {
        let (certificate, key) = self.certificate_files();
        authority.issue(&certificate, &key);
        for (name, path) in [("CERTIFICATE", certificate), ("KEY", key)] {
            self = self.environment(&format!("HOMEROOM__TLS__{name}"), &path.to_string_lossy());
        }
        (self.authority, self.tunnels) = (Some(authority.clone()), false);
        self
    }

    /// With TLS, and addresses that lead there for clients that know nothing of it.
    #[must_use]
    pub fn over_tls(self) -> Self {
        Self { tunnels: true, ..self.tls(&Authority::new()) }
    }

    /// The certificate and its key, if there is TLS.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        (self.directory().join("fullchain.pem"), self.directory().join("privkey.pem"))
    }

    /// With one more argument of `serve`.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Started by a program that takes another on its command line and becomes it, such as `setpriv`.
    #[must_use]
    pub fn through(mut self, program: &[&str]) -> Self {
        self.through = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        if name.ends_with("SECRET") {
            canary(value);
        }
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the data directory elsewhere.
    #[must_use]
    pub fn data(mut self, path: &Path) -> Self {
        self.data = path.to_owned();
        self
    }

    /// The data directory.
    pub fn data_directory(&self) -> &Path {
        &self.data
    }

    /// A directory for whatever the test needs, removed in the end.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it and waits until it listens.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn start(&self) -> Broker {
        self.try_start()
            .await
            .unwrap_or_else(|refused| panic!("the broker did not start ({}):\n{}", refused.status, refused.stderr))
    }

    /// Starts it and waits until it listens or ends.
    ///
    /// # Errors
    /// How it ended, and what it said.
    pub async fn try_start(&self) -> Result<Broker, Refused> {
        let config = self.directory.path().join("homeroom.toml");
        std::fs::write(&config, &self.config).expect("the configuration is written");
        let stderr = std::fs::OpenOptions::new().create(true).append(true).open(self.stderr_path());
        let mut words = self.through.iter().map(Into::into).chain([binary().into_os_string()]);
        let mut command = Command::new(words.next().expect("the broker's own path at least"));
        command.args(words).arg("serve").arg("--config").arg(&config).arg("--data").arg(&self.data);
        for flag in ["--listen", "--stomp", "--management"] {
            if !self.flags.iter().any(|given| given == flag) {
                command.args([flag, "127.0.0.1:0"]);
            }
        }
        command.args(&self.flags).envs(self.environment.iter().cloned()).env_remove("RUST_LOG");
        command.current_dir(self.directory.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(stderr.expect("a file for standard error")).kill_on_drop(true);
        let mut process = command.spawn().expect("the broker's binary runs");

        let process_id = process.id().and_then(|id| Pid::from_raw(id as i32)).expect("a new process has an id");
        let mut stdout = BufReader::new(process.stdout.take().expect("piped")).lines();
        let first = within("the broker's first line", START_DEADLINE, stdout.next_line()).await;
        match first.expect("standard output is UTF-8") {
            Some(line) => {
                let direct = parse_listening(&line);
                let (addresses, tunnels) = self.lead_to(&direct);
                Ok(Broker { setup: self.clone(), process, process_id, addresses, direct, _tunnels: tunnels, stdout })
            }
            None => {
                let status = within("the broker's end", START_DEADLINE, process.wait()).await;
                let refused = Refused { status: status.expect("a status"), stderr: self.stderr() };
                assert_eq!(leaks(&refused.stderr), [""; 0]);
                Err(refused)
            }
        }
    }

    fn lead_to(&self, direct: &Addresses) -> (Addresses, Vec<Tunnel>) {
        let Some(authority) = self.authority.as_ref().filter(|_| self.tunnels) else {
            return (direct.clone(), Vec::new());
        };
        let tunnels: Vec<Tunnel> =
            [&direct.http, &direct.stomp].into_iter().map(|target| Tunnel::to(target, authority)).collect();
        let [http, stomp] = [0, 1].map(|number: usize| tunnels[number].address().to_owned());
        (Addresses { http, stomp, management: direct.management.clone() }, tunnels)
    }

    /// All that brokers of this setup wrote to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.stderr_path()).unwrap_or_default()).into_owned()
    }

    fn stderr_path(&self) -> PathBuf {
        self.directory.path().join("stderr.txt")
    }
}

/// Starting and ending.
impl Broker {
    /// One with the defaults, on an empty directory.
    pub async fn start() -> Self {
        Setup::default().start().await
    }

    /// One whose configuration has this text.
    pub async fn start_with(toml: &str) -> Self {
        Setup::default().config(toml).start().await
    }

    /// Ends it without a word, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.exited().await;
    }

    /// Kills it and starts another one on the same directory.
    pub async fn killed_and_restarted(mut self) -> Self {
        self.kill().await;
        self.setup.start().await
    }

    /// Asks it to end, waits, expects status 0 and starts another one on the same directory.
    pub async fn stopped_and_restarted(mut self) -> Self {
        self.signal(Signal::TERM);
        let status = self.exited().await;
        assert!(status.success(), "a graceful stop ends in {status}:\n{}", self.stderr());
        self.setup.start().await
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.process_id, signal).expect("the process is there");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes it.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// How it ended, once it has.
    pub async fn exited(&mut self) -> ExitStatus {
        within("the broker's end", START_DEADLINE, self.process.wait()).await.expect("a status")
    }

    /// What it wrote to standard output after the first line; call it after the end.
    pub async fn rest_of_stdout(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(Some(line)) = self.stdout.next_line().await {
            lines.push(line);
        }
        lines
    }
}

/// Looking at it.
impl Broker {
    /// The HTTP listener's `host:port`.
    pub fn http(&self) -> &str {
        &self.addresses.http
    }

    /// The STOMP listener's `host:port`.
    pub fn stomp(&self) -> &str {
        &self.addresses.stomp
    }

    /// The management listener's `host:port`.
    pub fn management(&self) -> &str {
        &self.addresses.management
    }

    /// Where it listens itself, whatever leads there.
    pub fn direct(&self) -> &Addresses {
        &self.direct
    }

    /// Its process, for those who look at it from outside.
    pub fn process_id(&self) -> i32 {
        self.process_id.as_raw_nonzero().get()
    }

    /// What it was started with.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What it wrote to standard error.
    pub fn stderr(&self) -> String {
        self.setup.stderr()
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kilobytes * 1024
    }

    /// Processor time used, of all threads, in user and kernel.
    pub fn processor_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The name in parentheses may hold spaces; user and system time are fields 14 and 15, in 1/100 s.
        let fields = stat.rsplit_once(')').expect("a name in parentheses").1;
        let ticks: u64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Bytes of the data directory on disk.
    pub fn data_bytes(&self) -> u64 {
        directory_bytes(self.setup.data_directory())
    }

    fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.process_id.as_raw_nonzero());
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("── the broker's standard error ──\n{}──", self.stderr());
        } else {
            // It is at TRACE, and holds none of what the test sent or showed.
            assert_eq!(leaks(&self.stderr()), [""; 0]);
        }
    }
}

/// The sizes of all files below, without counting holes of sparse files.
pub fn directory_bytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    let sizes = entries.filter_map(Result::ok).map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => directory_bytes(&entry.path()),
        Ok(metadata) => (metadata.blocks() * 512).min(metadata.len()),
        Err(_) => 0,
    });
    sizes.sum()
}

/// `HOMEROOM_BIN`, or else the newest build beside this test's own.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("HOMEROOM_BIN") {
        return PathBuf::from(path);
    }
    let own = std::env::current_exe().expect("a test knows its own path");
    let target = own.ancestors().nth(3).expect("target/<profile>/deps/<test>");
    let built = ["release", "debug"].map(|profile| target.join(profile).join("homeroom"));
    let newest =
        built.into_iter().filter(|path| path.exists()).max_by_key(|path| path.metadata().ok()?.modified().ok());
    newest.unwrap_or_else(|| {
        panic!("no broker to test in {}: run `cargo build --release -p homeroom` or tests/run", target.display())
    })
}

fn parse_listening(line: &str) -> Addresses {
    let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    assert_eq!(value["event"], "listening", "{line}");
    let address = |name: &str| value[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
    Addresses { http: address("http"), stomp: address("stomp"), management: address("management") }
}
