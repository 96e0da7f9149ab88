//! What was said.

use tokio_postgres::Client;

use crate::Error;

/// Makes the table.
pub async fn table(client: &Client) -> Result<(), Error> {
    let statement = "create table if not exists said (chat bigint not null, words text not null)";
    Ok(client.batch_execute(statement).await?)
}

/// Keeps what was said in a chat.
pub async fn save(client: &Client, chat: i64, words: &str) -> Result<(), Error> {
    let statement = "insert into said (chat, words) values ($1, $2)";
    client.execute(statement, &[&chat, &words]).await?;
    Ok(())
}
