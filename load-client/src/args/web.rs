//! The flags of the live page, and where it may be bound.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use crate::args::parse;

#[derive(Debug, Args)]
#[command(next_help_heading = "Live page")]
pub(crate) struct WebArguments {
    /// Serve the live page at this address and wait for its orders; 127.0.0.1:8089 if none is given,
    /// port 0 takes a free one
    #[arg(long, env = "LOAD_CLIENT_WEB", num_args = 0..=1, default_missing_value = "127.0.0.1:8089", value_parser = address, value_name = "ADDRESS", conflicts_with = "headless")]
    pub(crate) web: Option<SocketAddr>,
    /// Let --web listen beyond this machine; the page has no login, whoever reaches it can send load
    #[arg(long, env = "LOAD_CLIENT_WEB_ALLOW_REMOTE", requires = "web")]
    pub(crate) web_allow_remote: bool,
    /// Another name that browsers may call the page by; repeatable (in the variable: one per line)
    #[arg(
        long,
        env = "LOAD_CLIENT_WEB_NAME",
        value_delimiter = '\n',
        value_name = "HOST[:PORT]",
        requires = "web"
    )]
    pub(crate) web_name: Vec<String>,
    /// With --web: start a run at once
    #[arg(long, env = "LOAD_CLIENT_AUTOSTART", requires = "web")]
    pub(crate) autostart: bool,
    /// With --autostart: end this many seconds after the run has ended [default: on Ctrl-C]
    #[arg(long, env = "LOAD_CLIENT_AUTOQUIT", value_parser = parse::duration_or_zero, value_name = "SECONDS", requires = "autostart")]
    pub(crate) autoquit: Option<Duration>,
}

/// The page would be open to others, and nobody said that it may be.
#[derive(Debug, thiserror::Error)]
#[error(
    "--web {0} can be reached from other machines, and the page has no login; add --web-allow-remote, or take 127.0.0.1"
)]
pub(crate) struct NotAllowed(SocketAddr);

impl WebArguments {
    /// The address to listen at; `None` without the page.
    ///
    /// # Errors
    ///
    /// When others could reach it, and that was not allowed.
    pub(crate) fn address(&self) -> Result<Option<SocketAddr>, NotAllowed> {
        match self.web {
            Some(address) if !address.ip().is_loopback() && !self.web_allow_remote => {
                Err(NotAllowed(address))
            }
            address => Ok(address),
        }
    }
}

/// `ADDRESS:PORT`; `localhost` is 127.0.0.1.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix("localhost:");
    let local = port.and_then(|port| port.parse().ok());
    let address = match local {
        Some(port) => Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        None => text.parse().ok(),
    };
    address.ok_or_else(|| {
        "takes an IP address and a port such as 127.0.0.1:8089 or [::1]:8089".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use flags_and_variables::one_line;

    use crate::args::{Command, read};

    fn web(arguments: &[&str]) -> Result<WebArguments, String> {
        let start = ["load-client", "--host", "kafka://a:1"];
        let arguments = start.iter().chain(arguments).map(std::ffi::OsString::from);
        match read(arguments).map_err(|error| one_line(&error))?.0.command {
            Command::Run(run) => Ok(run.web),
            Command::Compare(_) => panic!("not a run"),
        }
    }

    #[test]
    fn the_page_is_on_loopback() {
        let bound = |arguments: &[&str]| web(arguments).unwrap().address().unwrap();
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(bound(&[]), None);
        assert_eq!(bound(&["--web"]), address("127.0.0.1:8089"));
        assert_eq!(bound(&["--web", "-u", "3"]), address("127.0.0.1:8089"));
        assert_eq!(bound(&["--web", "localhost:0"]), address("127.0.0.1:0"));
        assert_eq!(bound(&["--web", "[::1]:9000"]), address("[::1]:9000"));
    }

    #[test]
    fn others_reach_it_only_if_they_are_allowed() {
        for open in ["0.0.0.0:8089", "[::]:8089", "192.168.0.7:8089"] {
            let error = web(&["--web", open]).unwrap().address().unwrap_err();
            assert!(error.to_string().contains("--web-allow-remote"), "{error}");
            let allowed = web(&["--web", open, "--web-allow-remote"]).unwrap();
            assert_eq!(allowed.address().unwrap(), Some(open.parse().unwrap()));
        }
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        for (arguments, flag) in [
            (&["--web", "8089"][..], "127.0.0.1:8089"),
            (&["--web", "--headless"], "--headless"),
            (&["--autostart"], "--web"),
            (&["--web", "--autoquit", "3"], "--autostart"),
            (&["--web-allow-remote"], "--web"),
        ] {
            let message = web(arguments).err().unwrap();
            assert!(message.contains(flag), "{message}");
        }
    }
}
