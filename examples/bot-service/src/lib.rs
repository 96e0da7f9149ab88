//! What both versions of the service share: Telegram's and the model's protocols, and the database. None of it blocks.

mod database;
mod telegram;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use database::{save, table};
pub use telegram::{Message, Telegram, Update};

/// What can go wrong outside of the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A partner cannot be reached, or speaks another language.
    #[error("no answer: {0}")]
    Http(#[from] reqwest::Error),
    /// Telegram refuses.
    #[error("Telegram says: {0}")]
    Telegram(String),
    /// The model's answer has no text.
    #[error("the model has nothing to say")]
    Silent,
    /// The database.
    #[error("no row: {0}")]
    Database(#[from] sqlx::Error),
}

/// A bot that somebody wants to have.
#[derive(Deserialize)]
pub struct NewBot {
    pub name: String,
    pub token: String,
}

/// The bots there are.
#[derive(Serialize)]
pub struct Bots {
    pub bots: Vec<String>,
}

/// Where the service finds its world.
pub struct World {
    pub database: String,
    pub telegram: String,
    pub model: String,
    pub port: u16,
}

impl World {
    /// As the environment says.
    pub fn from_env() -> Result<Self, std::env::VarError> {
        let port = std::env::var("PORT").ok();
        Ok(Self {
            // The stage speaks of a Python driver.
            database: std::env::var("DATABASE_URL")?.replace("+psycopg", ""),
            telegram: std::env::var("TELEGRAM_URL")?,
            model: std::env::var("OPENAI_BASE_URL")? + "/chat/completions",
            port: port.and_then(|port| port.parse().ok()).unwrap_or(8000),
        })
    }
}

/// A question to the model, with what was said before.
pub fn question(history: &[String]) -> Value {
    let messages: Vec<Value> = history
        .iter()
        .map(|text| json!({"role": "user", "content": text}))
        .collect();
    json!({"model": "small", "messages": messages})
}

/// What the model says.
pub fn answer(response: &Value) -> Result<String, Error> {
    let text = response["choices"][0]["message"]["content"].as_str();
    text.map(str::to_owned).ok_or(Error::Silent)
}
