//! How the object is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // What stands for `poll` inside this object is its own: loaded late, the C library's comes before it.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic-functions");
    // Threads may be inside our functions at any time, and slots may lead there: it is never unloaded.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
