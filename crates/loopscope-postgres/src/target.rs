//! Which server, from what people write: a URL, or words with `=`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// What the connection calls itself.
const APPLICATION: &str = "loopscope";

/// Only reading, and no statement for long.
const OPTIONS: &str =
    "-c default_transaction_read_only=on -c statement_timeout=2000 -c lock_timeout=500";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A server to ask. Shows itself without its password.
#[derive(Clone)]
pub struct Target {
    pub(crate) config: Config,
}

/// Why a text names no server. Says nothing of the text, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no address of a PostgreSQL server, such as postgresql://USER:PASSWORD@HOST:5432/DATABASE: {reason}"
)]
pub struct TargetError {
    reason: String,
}

impl FromStr for Target {
    type Err = TargetError;

    /// Takes libpq's two forms, and the URLs of SQLAlchemy, which name a driver besides.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refused = |reason: &dyn fmt::Display| TargetError {
            reason: reason.to_string(),
        };
        let mut config: Config = without_driver(text)
            .parse()
            .map_err(|error: tokio_postgres::Error| refused(&error))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused(&"it names no host"));
        }
        if config.get_user().is_none() {
            return Err(refused(&"it names no user"));
        }
        config
            .application_name(APPLICATION)
            .connect_timeout(CONNECT_TIMEOUT);
        if config.get_options().is_none() {
            config.options(OPTIONS);
        }
        Ok(Self { config })
    }
}

impl Target {
    /// Host, port and database, as drivers name them: `127.0.0.1:5432/bots`.
    pub fn name(&self) -> String {
        let database = self.config.get_dbname().or(self.config.get_user());
        format!(
            "{}:{}/{}",
            self.host(),
            self.port(),
            database.unwrap_or_default()
        )
    }

    pub(crate) fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    fn host(&self) -> String {
        let named = self.config.get_hosts().first().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        });
        let by_address = || self.config.get_hostaddrs().first().map(ToString::to_string);
        named.or_else(by_address).unwrap_or_default()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name()).finish()
    }
}

/// `postgresql://…` for `postgresql+asyncpg://…`.
fn without_driver(text: &str) -> String {
    let plain = text.split_once("://").and_then(|(scheme, rest)| {
        let (scheme, _) = scheme.split_once('+')?;
        Some(format!("{scheme}://{rest}"))
    });
    plain.unwrap_or_else(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> String {
        text.parse::<Target>().unwrap().name()
    }

    #[test]
    fn all_that_people_write_names_a_server() {
        assert_eq!(
            name("postgresql://ann:pw@db.local:6000/bots"),
            "db.local:6000/bots"
        );
        assert_eq!(
            name("postgres://ann@db.local/bots?sslmode=require"),
            "db.local:5432/bots"
        );
        assert_eq!(
            name("postgresql+asyncpg://ann:pw@[::1]/bots"),
            "::1:5432/bots"
        );
        assert_eq!(
            name("host=/run/postgresql user=ann"),
            "/run/postgresql:5432/ann"
        );
    }

    #[test]
    fn what_names_no_server_is_refused_without_repeating_a_password() {
        for text in [
            "",
            "bots",
            "mysql://ann:SECRET@h/b",
            "postgresql://h/b",
            "host=h port=SECRET user=u",
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("postgresql://USER:PASSWORD@HOST"), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn a_target_shows_itself_without_its_password() {
        let target: Target = "postgresql://ann:SECRET@h/b".parse().unwrap();
        assert_eq!(format!("{target:?}"), "Target(\"h:5432/b\")");
    }
}
