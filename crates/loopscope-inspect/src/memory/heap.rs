//! A heap of large pages, for a program that takes one large dump and ends.
//!
//! A dump of 10,000 tasks fills some twenty megabytes of small objects once. With pages of 4 KiB the faults took a
//! third of its time.
#![expect(
    unsafe_code,
    reason = "sets the allocator up, and tells the kernel of what kind of pages memory should be made"
)]

/// Lets the heap of this process grow in steps of 256 MiB that are made of large pages. Memory that is never
/// written to takes none; where the kernel or a limit refuses, the heap grows as it did before. For the start of a
/// program that lives for one dump: what it frees is kept until it ends.
#[cfg(target_env = "gnu")]
pub fn grow_heap_by_large_pages() {
    /// Of one step.
    const STEP_BYTES: libc::c_int = 256 << 20;
    /// What is larger is mapped by itself, and moved without a copy when it grows.
    const MAPPED_FROM_BYTES: libc::c_int = 4 << 20;
    let settings = [
        (libc::M_TOP_PAD, STEP_BYTES),
        (libc::M_TRIM_THRESHOLD, libc::c_int::MAX),
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        // Otherwise the thread that stops the target has a heap of its own.
        (libc::M_ARENA_MAX, 1),
    ];
    for (parameter, value) in settings {
        // SAFETY: these change where later memory comes from, and nothing of what is there.
        unsafe { libc::mallopt(parameter, value) };
    }
    // Larger than what is left of the first heap: makes the first step.
    let first = Vec::<u8>::with_capacity(MAPPED_FROM_BYTES as usize / 2);
    let start = first.as_ptr() as usize;
    // SAFETY: moves nothing; tells where the heap ends.
    let end = unsafe { libc::sbrk(0) } as usize;
    let page = super::PAGE_BYTES;
    let start = start.next_multiple_of(page);
    // Where the heap could not grow, `first` is elsewhere, and the end lies before it or far behind.
    let is_in_step = (start..start.saturating_add(2 * STEP_BYTES as usize)).contains(&end);
    if is_in_step {
        let pointer = std::ptr::with_exposed_provenance_mut(start);
        // SAFETY: whole pages of the allocator's heap, which this advice changes nothing in.
        unsafe { libc::madvise(pointer, (end - start) / page * page, libc::MADV_HUGEPAGE) };
    }
}

/// Other C libraries have allocators of their own, which are left alone.
#[cfg(not(target_env = "gnu"))]
pub fn grow_heap_by_large_pages() {}

#[cfg(test)]
mod tests {
    #[test]
    fn the_heap_goes_on_to_serve_all_sizes_and_threads() {
        super::grow_heap_by_large_pages();
        let fill = |size: usize| std::thread::spawn(move || vec![size as u8; size]);
        for size in [1, 4_095, 1 << 20, 5 << 20] {
            let bytes = fill(size).join().unwrap();
            assert!(bytes.iter().all(|byte| *byte == size as u8));
        }
    }
}
