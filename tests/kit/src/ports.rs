//! Ports that stay free until their server listens there, however many tests run at once.
//!
//! A port that the system chose could be somebody else's by the time a server is told to use it: the
//! system gives such ports to every outgoing connection too. These are below the ones it chooses from,
//! and each belongs, by a lock on a file, to one test process until that ends.

use std::fs::{File, create_dir_all};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

/// Below what Linux gives to outgoing connections (`net.ipv4.ip_local_port_range`).
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A TCP port for a server of this test.
pub fn free_port() -> u16 {
    free_port_at(Ipv4Addr::LOCALHOST)
}

/// A TCP port for a server of this test at this address.
pub fn free_port_at(ip: Ipv4Addr) -> u16 {
    reserve(|port| TcpListener::bind((ip, port)).is_ok())
}

/// A UDP port for a server of this test at this address.
pub fn free_udp_port_at(ip: Ipv4Addr) -> u16 {
    reserve(|port| UdpSocket::bind((ip, port)).is_ok())
}

fn reserve(is_free: impl Fn(u16) -> bool) -> u16 {
    static OURS: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let dir = std::env::temp_dir().join("monster-gateway-test-ports");
    create_dir_all(&dir).unwrap();
    let first = rand::random_range(PORTS);
    for port in (first..PORTS.end).chain(PORTS.start..first) {
        let file = File::create(dir.join(port.to_string())).unwrap();
        if file.try_lock().is_ok() && is_free(port) {
            OURS.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}
