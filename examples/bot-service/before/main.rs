//! A service of Telegram bots. Each answers its people with a model, and PostgreSQL keeps what was said.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use bot_service::{Bots, Message, NewBot, Telegram, World};
use loopscope::{Config, Scope, WatchedPool, track_call};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// People like to see that somebody is typing.
const TYPING: Duration = Duration::from_millis(400);

struct Service {
    world: World,
    scope: Scope,
    client: reqwest::Client,
    pool: WatchedPool<PgPool>,
    bots: Mutex<BTreeSet<String>>,
    /// What each chat was about.
    memory: Mutex<HashMap<i64, Vec<String>>>,
}

async fn create_bot(State(service): State<Arc<Service>>, Json(new): Json<NewBot>) -> &'static str {
    let telegram = Telegram::new(service.client.clone(), &service.world.telegram, &new.token);
    service.bots.lock().unwrap().insert(new.name);
    let polling = Arc::clone(&service).poll(Arc::new(telegram));
    drop(service.scope.spawn_fallible("bot", polling));
    "it is starting"
}

async fn list_bots(State(service): State<Arc<Service>>) -> Json<Bots> {
    let bots = service.bots.lock().unwrap();
    Json(Bots {
        bots: bots.iter().cloned().collect(),
    })
}

impl Service {
    async fn poll(
        self: Arc<Self>,
        telegram: Arc<Telegram>,
    ) -> std::result::Result<(), bot_service::Error> {
        let mut offset = 0;
        loop {
            for update in telegram.updates(offset).await? {
                offset = update.update_id + 1;
                if let Some(message) = update.message {
                    let answering = Arc::clone(&self).on_message(Arc::clone(&telegram), message);
                    drop(self.scope.spawn_fallible("answer", answering));
                }
            }
        }
    }

    async fn on_message(self: Arc<Self>, telegram: Arc<Telegram>, message: Message) -> Result<()> {
        let chat = message.chat.id;
        let mut connection = self.pool.acquire().await?;
        telegram.typing(chat).await?;
        thread::sleep(TYPING);
        let words = message.text.unwrap_or_default();
        bot_service::save(&mut connection, chat, &words).await?;
        let answer = self.ask(chat, words)?;
        bot_service::save(&mut connection, chat, &answer).await?;
        telegram.send(chat, &answer).await?;
        Ok(())
    }

    /// What the model says, who is to remember the chat.
    #[track_call("model")]
    fn ask(&self, chat: i64, words: String) -> Result<String> {
        let mut memory = self.memory.lock().unwrap();
        let history = memory.entry(chat).or_default();
        history.push(words);
        let question = bot_service::question(history).to_string();
        let request = ureq::post(&self.world.model).header("Content-Type", "application/json");
        let mut response = request.send(question)?;
        let response = response.body_mut().read_to_string()?;
        let answer = bot_service::answer(&serde_json::from_str(&response)?)?;
        history.push(answer.clone());
        Ok(answer)
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
    let listener = TcpListener::bind(("127.0.0.1", world.port)).await?;
    let service = Service {
        world,
        scope,
        pool,
        client: reqwest::Client::new(),
        bots: Mutex::default(),
        memory: Mutex::default(),
    };
    let router = Router::new().route("/bots", get(list_bots).post(create_bot));
    Ok(axum::serve(listener, router.with_state(Arc::new(service))).await?)
}
