//! As much of the Bot API as a bot needs that polls.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::Error;

/// Telegram keeps a poll open for so long where there is nothing to tell.
const POLL_SECONDS: u32 = 10;

/// A bot's connection to Telegram.
pub struct Telegram {
    client: reqwest::Client,
    base: String,
}

#[derive(Deserialize)]
pub struct Update {
    pub update_id: i64,
    pub message: Option<Message>,
}

#[derive(Deserialize)]
pub struct Message {
    pub chat: Chat,
    pub text: Option<String>,
}

#[derive(Deserialize)]
pub struct Chat {
    pub id: i64,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    description: Option<String>,
}

impl Telegram {
    pub fn new(client: reqwest::Client, url: &str, token: &str) -> Self {
        Self {
            client,
            base: format!("{url}/bot{token}"),
        }
    }

    /// The bot itself: whether its token is good.
    pub async fn me(&self) -> Result<Value, Error> {
        self.call("getMe", json!({})).await
    }

    /// What people said from this update on.
    pub async fn updates(&self, offset: i64) -> Result<Vec<Update>, Error> {
        let fields = json!({"offset": offset, "timeout": POLL_SECONDS});
        self.call("getUpdates", fields).await
    }

    /// Shows that the bot is typing.
    pub async fn typing(&self, chat: i64) -> Result<Value, Error> {
        let fields = json!({"chat_id": chat, "action": "typing"});
        self.call("sendChatAction", fields).await
    }

    pub async fn send(&self, chat: i64, text: &str) -> Result<Value, Error> {
        let fields = json!({"chat_id": chat, "text": text});
        self.call("sendMessage", fields).await
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, fields: Value) -> Result<T, Error> {
        let request = self.client.post(format!("{}/{method}", self.base));
        let answer: Answer<T> = request.json(&fields).send().await?.json().await?;
        let refused = || Error::Telegram(answer.description.unwrap_or_default());
        answer.result.ok_or_else(refused)
    }
}
