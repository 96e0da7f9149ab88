//! What was said.

use sqlx::PgConnection;

use crate::Error;

/// Makes the table.
pub async fn table(connection: &mut PgConnection) -> Result<(), Error> {
    let statement = "create table if not exists said (chat bigint not null, words text not null)";
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

/// Keeps what was said in a chat.
pub async fn save(connection: &mut PgConnection, chat: i64, words: &str) -> Result<(), Error> {
    let statement = "insert into said (chat, words) values ($1, $2)";
    let insert = sqlx::query(statement).bind(chat).bind(words);
    insert.execute(connection).await?;
    Ok(())
}
