//! The functions that the pulse stands in for, as the next object in line has them.
#![expect(unsafe_code, reason = "looks up C functions by name and calls them")]

use std::ffi::{CStr, c_void};
use std::mem::transmute_copy;
use std::ptr::{null_mut, with_exposed_provenance_mut};
use std::sync::atomic::AtomicPtr;
use std::sync::atomic::Ordering::Relaxed;

/// A function of ours, and the one that it stands in for.
pub(crate) struct StandIn {
    /// The one of the C library, or of whoever comes first behind us.
    pub(crate) real: &'static Real,
    /// The address of ours.
    pub(crate) own: fn() -> usize,
}

/// A C function that is looked up once, when the object is loaded, or at its first use where another
/// object's constructor comes before that.
pub(crate) struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Real {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            address: AtomicPtr::new(null_mut()),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static CStr {
        self.name
    }

    /// The address as far as it was looked up, 0 where it is not known.
    pub(crate) fn known(&self) -> usize {
        self.address.load(Relaxed).addr()
    }

    /// Takes this address from now on, unless it is 0.
    pub(crate) fn prefer(&self, address: usize) {
        if address != 0 {
            let address = with_exposed_provenance_mut(address);
            self.address.store(address, Relaxed);
        }
    }

    /// The function's address, null where no object further down the line has it.
    #[inline]
    fn address(&self) -> *mut c_void {
        let known = self.address.load(Relaxed);
        if known.is_null() {
            self.look_up()
        } else {
            known
        }
    }

    /// Finds the function. Done for all of them when the object is loaded: the loader's lock, which this
    /// takes, may be held for ever in a forked child, and is no business of a signal handler.
    #[cold]
    pub(crate) fn look_up(&self) -> *mut c_void {
        // SAFETY: the name is a C string; RTLD_NEXT needs no handle. `dlsym` may be called at any time
        // after this object was relocated, which is before any of its functions can run.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.address.store(found, Relaxed);
        found
    }

    /// The function, `None` where the C library has none (an older one, say).
    ///
    /// # Safety
    /// `F` must be the type of a pointer to the C function of this name.
    #[inline]
    pub(crate) unsafe fn function<F: Copy>(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let address = self.address();
        if address.is_null() {
            return None;
        }
        // SAFETY: by the caller's word `F` is this function's pointer type; the sizes are equal, and the
        // address is not null.
        Some(unsafe { transmute_copy(&address) })
    }
}
