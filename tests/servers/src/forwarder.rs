use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;

/// Address whose target server changes, like a Service of Kubernetes, a virtual address or a load balancer. Open
/// connections stay with the server that they were opened to.
#[derive(Debug)]
pub struct Forwarder {
    port: u16,
    target: Arc<AtomicU16>,
    is_stopped: Arc<AtomicBool>,
}

impl Forwarder {
    /// Starts forwarding to a port of this machine.
    ///
    /// # Panics
    /// If no port is free.
    #[must_use]
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("no port is free");
        let port = listener.local_addr().expect("the listener has no address").port();
        let (target, is_stopped) = (Arc::new(AtomicU16::new(target)), Arc::new(AtomicBool::new(false)));
        let forwarder = Self { port, target: target.clone(), is_stopped: is_stopped.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let target = target.load(Ordering::Relaxed);
                // A connection that the target does not accept is closed.
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) {
                    forward(&client, &server);
                    forward(&server, &client);
                }
            }
        });
        forwarder
    }

    /// Port of the address.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Forwards new connections to another port.
    pub fn switch_to(&self, target: u16) {
        self.target.store(target, Ordering::Relaxed);
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// Copies one direction of a connection in a thread of its own, until either side closes it.
fn forward(from: &TcpStream, to: &TcpStream) {
    let [mut from, mut to] =
        [from, to].map(|stream| stream.try_clone().expect("a connection cannot be shared"));
    thread::spawn(move || {
        // Either side may have closed it already.
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
    });
}
