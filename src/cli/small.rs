//! Commands of a few lines: `check-config`, `admin-token`, `registration`, `health`.

use super::failure::{Failure, Outcome};
use super::{office, print};
use crate::app::bridge_kinds;
use crate::config::Config;
use crate::core::Environment;
use crate::token::AdminToken;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct CheckConfig {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl CheckConfig {
    pub(super) fn run(self, file: Option<&Path>) -> Outcome {
        let problems = match Config::load(file, &bridge_kinds()) {
            Ok(config) if self.json => return print::json(&serde_json::json!({ "file": config.file, "problems": [] })),
            Ok(config) => {
                let what =
                    config.file.map_or("the built-in configuration".to_owned(), |file| file.display().to_string());
                return print::line(&format!("{what} is fine"));
            }
            Err(problems) => problems,
        };
        if self.json {
            print::json(&serde_json::json!({ "problems": problems.0 }))?;
        } else {
            print::line(&problems.to_string())?;
        }
        Err(Failure::config_told())
    }
}

/// Prints the token of the provisioning API; makes it if there is none yet.
pub(super) fn admin_token(file: Option<&Path>) -> Outcome {
    let config = office::load(file)?;
    office::check_owner(&config.server.data_dir)?;
    let environment = Environment::system();
    let token = AdminToken::load_or_make(&config.server.data_dir, &|bytes| environment.random.fill(bytes));
    print::line(token.map_err(Failure::system)?.reveal())
}

#[derive(Debug, Args)]
pub(super) struct Registration {
    /// The bridge instance.
    bridge: String,
}

impl Registration {
    pub(super) fn run(self, file: Option<&Path>) -> Outcome {
        let config = office::load(file)?;
        let name = self.bridge;
        let Some(instance) = config.bridges.iter().find(|instance| instance.name.as_str() == name) else {
            return Err(Failure::missing(format!("no bridge `{name}` is configured")));
        };
        let bridge = instance.build(&bridge_kinds(), &config.server);
        let bridge = bridge.map_err(|why| Failure::data(format!("bridges.{name}.{why}")))?;
        match bridge.registration() {
            Some(text) => print::line(text.trim_end()),
            None => Err(Failure::data(format!(
                "the bridge `{name}` is of the kind `{}`, which has no registration: its network needs none",
                instance.kind
            ))),
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Health {
    /// Ask whether all of it is ready, not only whether the process is up.
    #[arg(long)]
    ready: bool,
}

impl Health {
    pub(super) async fn run(self, file: Option<&Path>) -> Outcome {
        let config = office::load(file)?;
        let address = reachable(config.server.listen);
        let path = if self.ready { "readyz" } else { "healthz" };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(4)).build();
        let client = client.map_err(Failure::system)?;
        let answer = client.get(format!("http://{address}/{path}")).send().await;
        let answer = answer.map_err(|_| Failure::unavailable(format!("no gateway answers at {address}")))?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if status.is_success() {
            return print::line(text.trim_end());
        }
        Err(Failure::unavailable(format!("the gateway at {address} is not ready: {}", text.trim_end())))
    }
}

/// Whether what listens there is a gateway of ours. Asked once a bind failed; blocks for a moment.
pub(super) fn is_gateway(listen: SocketAddr) -> bool {
    use std::io::{Read as _, Write as _};
    let patience = Duration::from_secs(1);
    let ask = || -> std::io::Result<String> {
        let mut stream = std::net::TcpStream::connect_timeout(&reachable(listen), patience)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok\n"))
}

/// Where something that listens there can be reached from the same machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
