//! Other programs that some tests need. A test names its peer twice: `#[cfg_attr(not(has_curl), ignore = "…")]`
//! makes it count as ignored where the program is missing (`build.rs` looks), [`peer`] makes it fail under
//! `CI=true`.

use std::path::PathBuf;

/// Where a program is. Fails the test where it is missing.
pub(crate) fn peer(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{program} is not installed; tests/run installs it"))
}
