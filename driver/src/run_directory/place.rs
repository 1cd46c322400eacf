//! Where that directory is, and whether it can be trusted.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use skep_core::id::ClusterName;

use super::RunDirectoryError;

/// The directory that all clusters of this user share: `$XDG_RUNTIME_DIR/skep` if that variable names a directory
/// of ours, else `/tmp/skep-UID`.
pub fn base() -> PathBuf {
    let uid = rustix::process::geteuid().as_raw();
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        // After `su` the variable may still name the former user's, which is of no use to us.
        .filter(|path| fs::metadata(path).is_ok_and(|found| found.is_dir() && found.uid() == uid))
        .map_or_else(|| PathBuf::from(format!("/tmp/skep-{uid}")), |path| path.join("skep"))
}

/// The directory of a cluster, below the one that all clusters share; that one first.
pub fn of_cluster(cluster: &ClusterName) -> [PathBuf; 2] {
    let base = base();
    let directory = base.join(file_name(cluster.as_str()));
    [base, directory]
}

/// Makes the directories, outermost first and 0700, where they are missing, and looks whose they are.
///
/// # Errors
/// [`RunDirectoryError`] if one cannot be made, is no directory (a link is none), belongs to another user, or is
/// open to others.
pub fn prepare(directories: &[PathBuf]) -> Result<(), RunDirectoryError> {
    for path in directories {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(RunDirectoryError::NotMade { path: path.clone(), kind: error.kind() }),
        }
        check(path)?;
    }
    Ok(())
}

/// Whether this directory is ours alone.
///
/// # Errors
/// [`RunDirectoryError`], as of [`prepare`].
pub fn check(path: &Path) -> Result<(), RunDirectoryError> {
    let found = fs::symlink_metadata(path)
        .map_err(|error| RunDirectoryError::NotRead { path: path.into(), kind: error.kind() })?;
    if !found.is_dir() {
        return Err(RunDirectoryError::NotADirectory { path: path.into() });
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(RunDirectoryError::NotOurs { path: path.into(), owner: found.uid() });
    }
    let open = found.mode() & 0o077;
    if open != 0 {
        return Err(RunDirectoryError::OpenToOthers { path: path.into(), mode: found.mode() & 0o7777 });
    }
    Ok(())
}

const LONGEST: usize = 200; // file systems take 255 bytes

/// A cluster's name as the name of a directory: letters, digits, `-`, `_` and inner dots stay, all else becomes
/// `%XX`. A long one is cut and ends in a hash; should two clusters ever share a directory, the handshake still
/// tells them apart.
fn file_name(cluster: &str) -> String {
    let mut name = String::new();
    for (at, byte) in cluster.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte.into()),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        name.push_str(&format!("%{:016x}", fnv1a(cluster.as_bytes())));
    }
    name
}

/// FNV-1a, 64 bits (draft-eastlake-fnv): the same in every build, unlike the hashes of std.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cluster_name_leaves_the_directory() {
        for (cluster, expected) in [
            ("orders", "orders"),
            ("Orders-2_eu.west", "Orders-2_eu.west"),
            ("..", "%2E."),
            (".", "%2E"),
            ("../../etc", "%2E.%2F..%2Fetc"),
            ("a/b", "a%2Fb"),
            ("a b%", "a%20b%25"),
            ("ü", "%C3%BC"),
        ] {
            assert_eq!(file_name(cluster), expected);
        }
    }

    #[test]
    fn a_long_name_stays_a_file_name_and_stays_its_own() {
        let (one, two) = ("ü".repeat(64), format!("{}x", "ü".repeat(63)));
        assert!(file_name(&one).len() <= 255, "{} bytes", file_name(&one).len());
        assert_ne!(file_name(&one), file_name(&two));
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
