//! Loopback ports: a given one, or a free one.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};
use uuid::Uuid;

/// The first port to try. The range is below Linux' ports for outgoing connections (32768 and up), so that none of
/// those takes the port between our probe and the child's bind.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
const ATTEMPTS: usize = 100;

/// The port of `flag`, which must be free, or any free port.
pub(super) fn choose(flag: &str, wanted: Option<u16>) -> Result<u16> {
    match wanted {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => {
            bail!("{flag} {port}: the port is in use; choose another or leave the flag out")
        }
        None => any(),
    }
}

/// The usual port if it is free, or any free port.
pub(crate) fn preferred(port: u16) -> Result<u16> {
    if is_free(port) { Ok(port) } else { any() }
}

/// A free loopback port, different at each call with high probability.
///
/// # Errors
///
/// Fails if there is none.
pub fn any() -> Result<u16> {
    // A v4 UUID serves as a random number. The remainder is below COUNT, so it fits.
    let random =
        || FIRST + u16::try_from(Uuid::new_v4().as_u128() % u128::from(COUNT)).unwrap_or(0);
    match (0..ATTEMPTS).map(|_| random()).find(|port| is_free(*port)) {
        Some(port) => Ok(port),
        None => bail!(
            "no free port on 127.0.0.1 between {FIRST} and {}",
            FIRST + COUNT
        ),
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_refused_with_its_flag_and_passed_over_as_a_preference() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = choose("--store-port", Some(port)).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("--store-port {port}: the port is in use")),
            "{error}"
        );
        assert_ne!(preferred(port).unwrap(), port);
        drop(taken);
        assert_eq!(preferred(port).unwrap(), port);
    }
}
