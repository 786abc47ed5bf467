//! Keeps what was said, so that it need not be made again: a file per voice and text, under a name that tells neither.
//! A text that is being made is made once, however many ask for it.

use super::{Saying, Sound, SpeechError, Synthesizer};
use crate::clock::Clock;
use crate::domain::voice::Voice;
use crate::media::{RATE, wav};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// What was said holds names, so it does not stay for ever.
const KEPT: TimeDelta = TimeDelta::days(7);

/// A synthesizer that remembers.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

struct Inner {
    source: Arc<dyn Synthesizer>,
    /// Of the source, because another one sounds different.
    name: String,
    folder: PathBuf,
    bytes_max: u64,
    clock: Arc<dyn Clock>,
    being_made: Mutex<HashMap<String, Arc<OnceCell<Sound>>>>,
}

impl Cache {
    /// Keeps what `source` says in `folder`, up to so many bytes.
    pub fn open(
        source: Arc<dyn Synthesizer>,
        name: &str,
        folder: &Path,
        bytes_max: u64,
        clock: Arc<dyn Clock>,
    ) -> Cache {
        let (name, folder) = (name.to_owned(), folder.to_owned());
        let being_made = Mutex::default();
        Cache { inner: Arc::new(Inner { source, name, folder, bytes_max, clock, being_made }) }
    }
}

impl Synthesizer for Cache {
    fn say(&self, text: &str, voice: &Voice) -> Saying {
        let (inner, text, voice) = (self.inner.clone(), text.to_owned(), voice.clone());
        Box::pin(async move {
            let key = inner.key(&text, &voice);
            let cell = inner.being_made().entry(key.clone()).or_default().clone();
            let entry = Entry { inner: &inner, key };
            cell.get_or_try_init(|| inner.clone().made(entry.key.clone(), text, voice)).await.cloned()
        })
    }
}

/// Forgets a text when it has been made, or nobody waits for it any more. Whoever still waits holds the cell, and
/// whoever comes later finds the file.
struct Entry<'i> {
    inner: &'i Inner,
    key: String,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.inner.being_made().remove(&self.key);
    }
}

impl Inner {
    fn being_made(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Sound>>>> {
        self.being_made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, text: &str, voice: &Voice) -> String {
        let Voice { id, language, gender } = voice;
        let gender = gender.map(|gender| gender.to_string());
        let parts = [Some(&self.name), id.as_ref(), Some(language), gender.as_ref(), Some(&text.to_owned())];
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.map(String::as_str).unwrap_or_default();
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    async fn made(self: Arc<Self>, key: String, text: String, voice: Voice) -> Result<Sound, SpeechError> {
        let path = self.folder.join(format!("{key}.wav"));
        let found = tokio::fs::read(&path).await.ok().and_then(|file| wav::read(&file).ok());
        if let Some(found) = found {
            return Ok(found.samples.into());
        }
        let sound = self.source.say(&text, &voice).await?;
        let (kept, inner) = (sound.clone(), self.clone());
        let keeping = tokio::task::spawn_blocking(move || inner.keep(&path, &kept));
        if let Ok(Err(error)) = keeping.await {
            tracing::warn!(%error, folder = %self.folder.display(), "what was said cannot be kept");
        }
        Ok(sound)
    }

    fn keep(&self, path: &Path, sound: &Sound) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut file = tempfile::Builder::new().make_in(&self.folder, |path| {
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
        })?;
        file.write_all(&wav::write(RATE, sound))?;
        file.persist(path).map_err(|error| error.error)?;
        self.make_room()
    }

    /// Removes what is too old, then the oldest until the rest is small enough.
    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((DateTime::<Utc>::from(about.modified()?), about.len(), entry.path()));
        }
        files.sort();
        let oldest_kept = self.clock.now() - KEPT;
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (at, size, path) in files {
            if at >= oldest_kept && bytes <= self.bytes_max {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Manual, System};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tempfile::TempDir;

    /// Says as many samples as the text has letters; counts how often it was asked.
    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl Synthesizer for Counting {
        fn say(&self, text: &str, _: &Voice) -> Saying {
            self.0.fetch_add(1, Ordering::Relaxed);
            let sound: Result<Sound, SpeechError> = match text {
                "" => Err(SpeechError("nothing to say".into())),
                text => Ok(vec![7; text.len()].into()),
            };
            Box::pin(async move {
                tokio::task::yield_now().await;
                sound
            })
        }
    }

    fn cache(bytes_max: u64, clock: Arc<dyn Clock>) -> (TempDir, Arc<Counting>, Cache) {
        let folder = tempfile::tempdir().unwrap();
        let source = Arc::new(Counting::default());
        let cache = Cache::open(source.clone(), "test", &folder.path().join("speech"), bytes_max, clock);
        (folder, source, cache)
    }

    fn names(folder: &TempDir) -> Vec<PathBuf> {
        fs::read_dir(folder.path().join("speech")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[tokio::test]
    async fn a_text_is_made_once_per_voice_also_when_many_ask_at_once() {
        let (folder, source, cache) = cache(1_000_000, Arc::new(System::new()));
        let voice = Voice::default();
        let (a, b, c) =
            tokio::join!(cache.say("hello", &voice), cache.say("hello", &voice), cache.say("hello", &voice));
        assert_eq!([a.unwrap().len(), b.unwrap().len(), c.unwrap().len()], [5; 3]);
        assert_eq!(*cache.say("hello", &voice).await.unwrap(), [7; 5]);
        assert_eq!(source.0.load(Ordering::Relaxed), 1);
        let other = Voice { id: Some("hello".into()), ..Voice::default() };
        cache.say("hello", &other).await.unwrap();
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
        assert_eq!(names(&folder).len(), 2);
        assert!(cache.inner.being_made().is_empty());
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let (_folder, source, cache) = cache(1_000_000, Arc::new(System::new()));
        for _ in 0..2 {
            cache.say("", &Voice::default()).await.unwrap_err();
        }
        assert_eq!(source.0.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_is_kept_is_neither_large_nor_old() {
        let file = wav::write(RATE, &[0; 1_000]).len() as u64;
        let (folder, _, cache) = self::cache(2 * file, Arc::new(System::new()));
        for text in ["a".repeat(1_000), "b".repeat(1_000), "c".repeat(1_000)] {
            cache.say(&text, &Voice::default()).await.unwrap();
        }
        assert_eq!(names(&folder).len(), 2);
        let in_a_month = Manual::new(System::new().now() + TimeDelta::days(30));
        let (folder, _, cache) = self::cache(1_000_000, Arc::new(in_a_month));
        cache.say("hello", &Voice::default()).await.unwrap();
        assert!(names(&folder).is_empty());
    }
}
