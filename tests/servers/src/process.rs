//! A server as a process: started, asked whether it answers, stopped, and started again where it was.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to answer, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// A number that others are unlikely to come up with.
pub(crate) fn random() -> u32 {
    // Every hasher has keys of its own, which is all that a name in a test needs.
    u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default()
}

/// What the nodes of a Redis cluster add to their port to get the one on which they speak to each other.
const BUS: u16 = 10_000;

/// A port that is free now, as is the one that a node of a cluster takes besides. Both are below those that the system
/// gives to outgoing connections, so that none of them takes it before the server does.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..1_000 {
        let port = 12_000 + u16::try_from(random() % u32::from(BUS)).unwrap_or_default();
        if is_free(port) && is_free(port + BUS) {
            return port;
        }
    }
    panic!("no port is free between 12000 and 22000");
}

/// The program of a name, on PATH or in one of these directories.
pub(crate) fn find(name: &str, elsewhere: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(elsewhere.iter().cloned()).map(|place| place.join(name));
    found.into_iter().find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "{name} is not installed, and this test needs it. On Debian and Ubuntu: \
             apt-get install -y --no-install-recommends {package}"
        )
    })
}

/// Whom a server runs as that refuses to run as root; none when we are somebody ordinary ourselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// The user of this name, or `nobody`, if we are root.
    pub(crate) fn instead_of_root(name: &str) -> Option<Self> {
        let we_are = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
        if we_are.ok() != Some(0) {
            return None;
        }
        let passwords = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd can be read");
        let entry = |name: &str| {
            let line = passwords.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some(Self { user: fields.next()?.ok()?, group: fields.next()?.ok()? })
        };
        Some(entry(name).or_else(|| entry("nobody")).expect("there is a user to run the server as"))
    }

    /// Hands a file over to `owner`, and closes it to everybody else.
    pub(crate) fn given(owner: Option<Self>, path: &Path, mode: u32) {
        if let Some(Self { user, group }) = owner {
            chown(path, Some(user), Some(group)).expect("it is handed over");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it is private");
    }

    pub(crate) fn applied(owner: Option<Self>, command: &mut Command) {
        if let Some(Self { user, group }) = owner {
            command.uid(user).gid(group);
        }
    }
}

/// A directory that is gone with whoever holds it.
pub(crate) fn directory(owner: Option<Owner>) -> TempDir {
    let directory = TempDir::with_prefix("hexabase-test-").expect("a directory for the server's data");
    Owner::given(owner, directory.path(), 0o700);
    directory
}

/// A server process, stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    owner: Option<Owner>,
    directory: TempDir,
    port: u16,
    /// The signal that ends it without ceremony.
    quit: &'static str,
    child: Option<Child>,
}

impl Server {
    /// Starts it, and waits until it takes connections.
    pub(crate) fn start(
        program: PathBuf,
        arguments: Vec<String>,
        (owner, directory): (Option<Owner>, TempDir),
        port: u16,
        quit: &'static str,
    ) -> Self {
        let mut server = Self { program, arguments, owner, directory, port, quit, child: None };
        server.resume();
        server
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it again where it was.
    pub(crate) fn resume(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.program.display());
        let log = self.directory.path().join("log");
        let out = File::options().create(true).append(true).open(&log).expect("a log");
        let errors = out.try_clone().expect("a log");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(out).stderr(errors);
        Owner::applied(self.owner, &mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.child = Some(child);
        self.wait_until_it_listens(&log);
    }

    fn wait_until_it_listens(&mut self, log: &Path) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                panic!("{} does not listen on {address}:\n{said}", self.program.display());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
            assert!(sent.is_ok_and(|status| status.success()), "{signal} could not be sent");
        }
    }

    /// Ends it with a signal, and waits until it is gone.
    pub(crate) fn end(&mut self, signal: &str) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            child.wait().expect("the server ends");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let asked = Command::new("kill").args(["-s", self.quit, &child.id().to_string()]).status();
            if !asked.is_ok_and(|status| status.success()) {
                // It is gone already, or cannot be asked nicely.
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}
