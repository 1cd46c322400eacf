//! Does not compile if skep-core, or anything below it, links std: two panic handlers are error E0152.
#![no_std]

use skep_core as _;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
