//! Waking a worker that waits at its socket.
//!
//! Who puts something into one of a worker's queues wakes it afterwards ([`Waker::wake`]); the
//! worker looks into its queues when [`Sleeper::was_woken`] says so. `port` waits at both the socket
//! and the [`Sleeper`].

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Wakes one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Waker {
    shared: Arc<Shared>,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Sleeper {
    shared: Arc<Shared>,
    end: UnixStream,
}

#[derive(Debug)]
struct Shared {
    /// Somebody has woken the worker since it last looked.
    woken: AtomicBool,
    end: UnixStream,
}

/// A worker's two ends.
pub(crate) fn pair() -> io::Result<(Waker, Sleeper)> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let shared = Arc::new(Shared { woken: AtomicBool::new(false), end: near });
    Ok((Waker { shared: shared.clone() }, Sleeper { shared, end: far }))
}

impl Waker {
    /// Wakes the worker, unless somebody has already.
    pub(crate) fn wake(&self) {
        if !self.shared.woken.swap(true, Ordering::AcqRel) {
            // One byte for each time the worker looks: there is always room.
            let _ = (&self.shared.end).write(&[1]);
        }
    }
}

impl Sleeper {
    /// Whether the queues are to be looked at; `ready` if this end can be read. What was put there
    /// before the last wake is seen.
    pub(crate) fn was_woken(&self, ready: bool) -> bool {
        if ready {
            let _ = (&self.end).read(&mut [0; 16]);
        }
        self.shared.woken.swap(false, Ordering::AcqRel)
    }
}

impl AsFd for Sleeper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_is_woken_once_for_many_wakes() {
        let (waker, sleeper) = pair().expect("two ends");
        assert!(!sleeper.was_woken(false));
        waker.wake();
        waker.clone().wake();
        assert!(sleeper.was_woken(true));
        assert!(!sleeper.was_woken(false));
        waker.wake();
        assert!(sleeper.was_woken(true));
    }
}
