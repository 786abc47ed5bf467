//! Any bytes as a table of leads, the whole way into the database: no panic, and no row is lost. What came in is what the
//! campaign has.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use voice_campaigns::clock::System;
use voice_campaigns::domain::campaign::Request;
use voice_campaigns::domain::imports::Counts;
use voice_campaigns::domain::phone::Country;
use voice_campaigns::store::import::{ImportError, ImportOptions, import};
use voice_campaigns::store::{Store, StoreError};

/// A store in memory with a campaign that is emptied after every table.
struct World {
    runtime: Runtime,
    store: Store,
    table: PathBuf,
    _folder: TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
    let runtime = Runtime::new().expect("threads");
    let store = Store::open(folder.path(), Arc::new(System::new())).expect("a store");
    let body = r#"{"name": "n", "status": "draft", "calls_per_day": 1, "calling_hours_start": "09:00",
        "calling_hours_end": "17:00", "system_prompt": "p", "script_template": "s"}"#;
    let request = Request::read(body.parse().expect("JSON"), None).expect("a campaign");
    let made = runtime.block_on(store.write(move |tx| tx.insert_campaign(&request, "fuzz")));
    made.expect("a campaign");
    World { runtime, store, table: folder.path().join("table"), _folder: folder }
});

/// Holds all of it against whatever came.
pub(crate) fn hold(bytes: &[u8]) {
    let World { runtime, store, table, .. } = &*WORLD;
    std::fs::write(table, bytes).expect("a file");
    let country = Country::parse("US");
    let options = ImportOptions { unprefixed: country.into(), partial: true, ..ImportOptions::default() };
    let imported = runtime.block_on(import(store, 1, table, options, "fuzz"));
    let leads = runtime.block_on(store.write(|tx| {
        let filter =
            voice_campaigns::store::LeadFilter { campaign_id: 1, limit: 1_000_000, ..Default::default() };
        let leads = tx.leads(&filter)?;
        for lead in &leads {
            tx.delete_lead(lead.id)?;
        }
        Ok::<_, StoreError>(leads.len() as i64)
    }));
    match imported {
        Ok(import) => {
            let Counts { imported, updated, skipped, rejected } = import.counts;
            assert_eq!(leads.expect("leads"), imported);
            let rows = imported + updated + skipped + rejected;
            assert_eq!(Some(rows), import.rows_total, "{import:?}");
            assert!(rows as usize <= bytes.len(), "{import:?}");
        }
        Err(ImportError::Invalid(invalid)) => assert!(!invalid.0.is_empty()),
        Err(other) => panic!("{other}"),
    }
}
