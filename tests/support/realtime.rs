//! A realtime model over WebSocket, in both dialects.

use super::models::{Inner, Stage};
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves one conversation.
pub(crate) async fn serve(inner: Arc<Inner>, _stream: TcpStream, head: String) -> std::io::Result<()> {
    inner.note(Stage::Realtime, json!({"head": head}));
    Ok(())
}
