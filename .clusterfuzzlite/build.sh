#!/bin/bash
# What ClusterFuzzLite and OSS-Fuzz call in their builder: puts the fuzzer, its seeds and its options into $OUT, once for each
# reference and VMA code of the kernel cache ($RMAP_CACHE), since there nobody can set RMAP_KERNEL.
#
# Wants $SRC, $OUT, $SANITIZER, and kernels in the cache.
set -euo pipefail
cd "${SRC:?}/rmap-diff"
: "${OUT:?}"
sanitizer=${SANITIZER:-address}
case $sanitizer in
address | none) ;;
coverage) sanitizer=none ;;
*)
    echo "build.sh: SANITIZER=$sanitizer: the C is built with address or none" >&2
    exit 2
    ;;
esac

# The builder's flags are for its own clang; the C takes its instrumentation from what the Rust has.
unset CFLAGS CXXFLAGS RUSTFLAGS
export PATH="$PWD/.tools/bin:$PATH"
target=$PWD/target/fuzz
env -u CARGO_PROFILE_RELEASE_DEBUG ${RMAP_FUZZ_CACHE:+RMAP_CACHE="$RMAP_FUZZ_CACHE"} RUSTFLAGS= RUSTC_BOOTSTRAP=1 RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc CARGO_TARGET_DIR=$target \
    cargo fuzz build -O --no-trace-compares ${RMAP_FUZZ_UNITS:+--codegen-units "$RMAP_FUZZ_UNITS"} --sanitizer "$sanitizer" differential
. scripts/commands
binary=$(ls -t "$target"/*/release/differential | head -n 1)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for set in full small pages; do
    traces=(fuzz/seeds tests/cases)
    [ "$set" = pages ] && traces+=(fuzz/page-seeds)
    for of in "${traces[@]}"; do
        rmap-diff convert --set "$set" --seeds "$of" -o "$work/$set"
    done
done
cp "$binary" "$OUT/rmap-diff-differential"
built=0
for kernel in $(fuzzed_kernels); do
    case $(rmap-diff kernels --vma "$kernel") in
    pages) vmas="kernel pages model" ;;
    kernel) vmas="kernel model" ;;
    *) vmas=model ;;
    esac
    for vma in $vmas; do
        case $vma in
        kernel) set=full ;;
        pages) set=pages ;;
        *) set=small ;;
        esac
        # A name that the engine takes for a fuzzer: no dots. The model's has the word under which its corpus was collected.
        fuzzer=differential_${kernel//[.-]/_}_${vma/#model/rust}
        # The target's own words are read from the environment, which the engine leaves alone.
        cat >"$OUT/$fuzzer" <<END
#!/bin/bash
# LLVMFuzzerTestOneInput is in the binary beside this.
RMAP_KERNEL='$kernel' RMAP_VMA=$vma exec "\$(dirname "\$0")/rmap-diff-differential" "\$@"
END
        chmod +x "$OUT/$fuzzer"
        (cd "$work/$set" && zip -q -r "$OUT/${fuzzer}_seed_corpus.zip" .)
        printf '[libfuzzer]\nmax_len = 4608\ntimeout = 60\nentropic = 0\n\n[asan]\ndetect_stack_use_after_return = 0\n' >"$OUT/$fuzzer.options"
        built=$((built + 1))
    done
done
[ "$built" -gt 0 ] || { echo "build.sh: no kernel in the cache: nothing was built" >&2; exit 2; }
echo "build.sh: $built fuzzers"
