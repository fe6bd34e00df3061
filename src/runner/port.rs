//! Ports that subjects are told to listen on.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

/// The first port that is given: those below are others' by custom.
const FIRST: u16 = 10_240;
/// Where the system begins with the ports that it picks itself, if it does not say (Linux, ip(7)).
const PICKED_FROM: u16 = 32_768;

/// A port that was free a moment ago, and that nothing on this machine takes by chance: not one of those that the
/// system picks, which another case may get before the subject listens, and none twice in a row.
pub(super) fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let span = u32::from(picked_from().saturating_sub(FIRST)).max(1);
    let nth = |count: u32| {
        // Programs that run at the same time begin at different places.
        let at = std::process::id().wrapping_mul(97).wrapping_add(count) % span;
        FIRST + u16::try_from(at).unwrap_or(0)
    };
    let mut tries = (0..span).map(|_| nth(NEXT.fetch_add(1, Ordering::Relaxed)));
    tries.find(|port| is_free(*port)).unwrap_or(0)
}

/// Whether nobody listens on a port. Asked without listening there: a process that is just being started has a copy of
/// all that is open here, and would keep the port from the subject for as long as it takes to load its program.
fn is_free(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

/// The lowest port that the system picks for whoever asks for any.
fn picked_from() -> u16 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let low = range.split_whitespace().next().and_then(|low| low.parse().ok());
    low.filter(|low| *low > FIRST).unwrap_or(PICKED_FROM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_free_on_which_somebody_listens() {
        let port = free();
        assert!(is_free(port));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("it is free");
        assert!(!is_free(port));
        drop(listener);
    }

    #[test]
    fn ports_differ_and_are_none_that_the_system_picks() {
        let ports: Vec<u16> = (0..100).map(|_| free()).collect();
        let mut once = ports.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ports.len());
        assert!(ports.iter().all(|port| (FIRST..picked_from()).contains(port)), "{ports:?}");
    }
}
