//! Server processes: start, wait until they accept connections, stop, and start again on the same port.

use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Maximum time until a started server accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Random number for unique names.
pub(crate) fn random() -> u32 {
    // Each hasher has random keys, which are sufficient for names in tests.
    u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default()
}

/// Offset of the cluster bus port of a Redis node to its port.
const CLUSTER_BUS_OFFSET: u16 = 10_000;

/// Returns a free port whose cluster bus port is free as well. Both are below the range for outgoing connections, so
/// that no connection takes them before the server does.
pub(crate) fn free_port() -> u16 {
    let is_free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    for _ in 0..1_000 {
        let port = 12_000 + u16::try_from(random() % u32::from(CLUSTER_BUS_OFFSET)).unwrap_or_default();
        if is_free(port) && is_free(port + CLUSTER_BUS_OFFSET) {
            return port;
        }
    }
    panic!("no port is free between 12000 and 22000");
}

/// Returns the path of a program on `PATH` or in one of these directories.
pub(crate) fn find(name: &str, extra_directories: &[PathBuf], package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(extra_directories.iter().cloned())
        .map(|directory| directory.join(name));
    found.into_iter().find(|file| file.is_file()).unwrap_or_else(|| {
        panic!(
            "{name} is not installed, but this test needs it; on Debian and Ubuntu, run: \
             apt-get install -y --no-install-recommends {package}"
        )
    })
}

/// User id of the unprivileged default user (`/proc/sys/kernel/overflowuid`).
const OVERFLOW_UID: &str = "65534";

/// User and group of a server that refuses to run as root.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// User with this name, or the unprivileged default user, if this process runs as root; otherwise `None`.
    pub(crate) fn instead_of_root(name: &str) -> Option<Self> {
        let uid =
            std::fs::metadata("/proc/self").map(|process| std::os::unix::fs::MetadataExt::uid(&process));
        if uid.ok() != Some(0) {
            return None;
        }
        let passwords = std::fs::read_to_string("/etc/passwd").expect("/etc/passwd cannot be read");
        // In the format of passwd(5): name, password, user id, group id and more, separated by colons.
        let entry = |position: usize, value: &str| {
            let line = passwords.lines().find(|line| line.split(':').nth(position) == Some(value))?;
            let mut fields = line.split(':').skip(2).map(str::parse);
            Some(Self { user: fields.next()?.ok()?, group: fields.next()?.ok()? })
        };
        Some(
            entry(0, name).or_else(|| entry(2, OVERFLOW_UID)).expect("there is no user to run the server as"),
        )
    }

    /// Makes `owner` the owner of a file, and sets its mode.
    pub(crate) fn restrict(owner: Option<Self>, path: &Path, mode: u32) {
        if let Some(Self { user, group }) = owner {
            chown(path, Some(user), Some(group)).expect("the owner of a file cannot be changed");
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .expect("the mode of a file cannot be changed");
    }

    pub(crate) fn apply_to(owner: Option<Self>, command: &mut Command) {
        if let Some(Self { user, group }) = owner {
            command.uid(user).gid(group);
        }
    }
}

/// Creates a temporary directory that is deleted when it is dropped.
pub(crate) fn directory(owner: Option<Owner>) -> TempDir {
    let directory = TempDir::with_prefix("hexabase-test-").expect("the data directory cannot be created");
    Owner::restrict(owner, directory.path(), 0o700);
    directory
}

/// Server process that is stopped when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    arguments: Vec<String>,
    owner: Option<Owner>,
    directory: TempDir,
    port: u16,
    /// Signal that stops the process on drop.
    quit: &'static str,
    child: Option<Child>,
}

impl Server {
    /// Starts a server and waits until it accepts connections.
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

    /// Starts the process again with the same arguments and directory.
    pub(crate) fn resume(&mut self) {
        assert!(self.child.is_none(), "{} is running already", self.program.display());
        let log = self.directory.path().join("log");
        let out = File::options().create(true).append(true).open(&log).expect("the log cannot be opened");
        let errors = out.try_clone().expect("the log cannot be opened");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(out).stderr(errors);
        Owner::apply_to(self.owner, &mut command);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        self.child = Some(child);
        self.wait_until_listening(&log);
    }

    fn wait_until_listening(&mut self, log: &Path) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            let exit = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if exit.is_some() || started.elapsed() > START_TIMEOUT {
                let output = std::fs::read_to_string(log).unwrap_or_default();
                panic!("{} does not listen on {address}:\n{output}", self.program.display());
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, signal: &str) {
        if let Some(pid) = self.pid() {
            let signaled = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
            assert!(signaled.is_ok_and(|status| status.success()), "{signal} could not be sent");
        }
    }

    /// Sends a signal to the process and waits until it has ended.
    pub(crate) fn end(&mut self, signal: &str) {
        self.signal(signal);
        if let Some(mut child) = self.child.take() {
            child.wait().expect("the server cannot be waited for");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let signaled = Command::new("kill").args(["-s", self.quit, &child.id().to_string()]).status();
            if !signaled.is_ok_and(|status| status.success()) {
                // The process has ended already, or cannot be signaled.
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }
}
