//! A service of Telegram bots. Each answers its people with a model, and PostgreSQL keeps what was said.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use bot_service::{Bots, Message, NewBot, Telegram, World};
use loopscope::{Config, Scope, WatchedPool, track_call};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::time::sleep;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// People like to see that somebody is typing.
const TYPING: Duration = Duration::from_millis(400);

/// A poll of Telegram's that failed is made again after this.
const AGAIN: Duration = Duration::from_secs(1);

/// Nobody waits for a partner for ever.
const LONGEST: Duration = Duration::from_secs(60);

struct Service {
    world: World,
    scope: Scope,
    client: reqwest::Client,
    pool: WatchedPool<PgPool>,
    bots: Mutex<BTreeSet<String>>,
    /// What each chat was about. Locked for as long as it takes to copy that, and never while others are asked.
    memory: Mutex<HashMap<i64, Vec<String>>>,
}

/// The token is tried before the bot is said to run: whoever wants the bot is told where it is none.
async fn create_bot(
    State(service): State<Arc<Service>>,
    Json(new): Json<NewBot>,
) -> std::result::Result<&'static str, (StatusCode, String)> {
    let telegram = Telegram::new(service.client.clone(), &service.world.telegram, &new.token);
    if let Err(error) = telegram.me().await {
        let problem = format!("{} cannot be started: {error}", new.name);
        return Err((StatusCode::UNPROCESSABLE_ENTITY, problem));
    }
    service.bots.lock().unwrap().insert(new.name);
    let polling = Arc::clone(&service).poll(Arc::new(telegram));
    service.scope.spawn("bot", polling);
    Ok("it runs")
}

async fn list_bots(State(service): State<Arc<Service>>) -> Json<Bots> {
    let bots = service.bots.lock().unwrap().iter().cloned().collect();
    Json(Bots { bots })
}

impl Service {
    /// Polls for as long as the service runs.
    async fn poll(self: Arc<Self>, telegram: Arc<Telegram>) {
        let mut offset = 0;
        loop {
            let Ok(updates) = telegram.updates(offset).await else {
                sleep(AGAIN).await;
                continue;
            };
            for update in updates {
                offset = update.update_id + 1;
                if let Some(message) = update.message {
                    let answering = Arc::clone(&self).on_message(Arc::clone(&telegram), message);
                    // Where it fails Loopscope says so.
                    drop(self.scope.spawn_fallible("answer", answering));
                }
            }
        }
    }

    /// A connection is out for as long as its statement runs, and not while others are asked.
    async fn on_message(self: Arc<Self>, telegram: Arc<Telegram>, message: Message) -> Result<()> {
        let chat = message.chat.id;
        telegram.typing(chat).await?;
        sleep(TYPING).await;
        let words = message.text.unwrap_or_default();
        self.save(chat, &words).await?;
        let history = self.remember(chat, words);
        let answer = self.ask(&history).await?;
        self.save(chat, &answer).await?;
        telegram.send(chat, &answer).await?;
        self.remember(chat, answer);
        Ok(())
    }

    async fn save(&self, chat: i64, words: &str) -> Result<()> {
        let mut connection = self.pool.acquire().await?;
        Ok(bot_service::save(&mut connection, chat, words).await?)
    }

    /// What the chat was about, with this.
    fn remember(&self, chat: i64, words: String) -> Vec<String> {
        let mut memory = self.memory.lock().unwrap();
        let history = memory.entry(chat).or_default();
        history.push(words);
        history.clone()
    }

    /// What the model says.
    #[track_call("model")]
    async fn ask(&self, history: &[String]) -> Result<String> {
        let request = self.client.post(&self.world.model);
        let response = request.json(&bot_service::question(history)).send().await?;
        Ok(bot_service::answer(&response.json().await?)?)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let scope = loopscope::install(Config::from_env().service("bots"))?;
    scope.watch_runtime("main", &Handle::current());
    let world = World::from_env()?;
    let pool = PgPoolOptions::new().max_connections(6);
    let pool = pool.connect(&world.database).await?;
    let pool = scope.watch_pool("said", &pool);
    let mut connection = pool.acquire().await?;
    bot_service::table(&mut connection).await?;
    drop(connection);
    let health = scope.health_routes();
    let listener = TcpListener::bind(("127.0.0.1", world.port)).await?;
    let service = Service {
        world,
        scope,
        pool,
        client: reqwest::Client::builder().timeout(LONGEST).build()?,
        bots: Mutex::default(),
        memory: Mutex::default(),
    };
    let router = Router::new().route("/bots", get(list_bots).post(create_bot));
    let router = router.merge(health);
    Ok(axum::serve(listener, router.with_state(Arc::new(service))).await?)
}
