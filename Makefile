# The doors. Each calls one short script in admin/, which says what it does; CONTRIBUTING.md lists them all.

ARGS ?=

.PHONY: run test bench bench-quick fuzz wheel header fmt lint docs setup clean

run:     ; @admin/run $(ARGS)
test:    ; @admin/test
bench:   ; @admin/bench
bench-quick: ; @admin/bench-quick
fuzz:    ; @admin/fuzz $(ARGS)
wheel:   ; @admin/wheel
header:  ; @admin/header
fmt:     ; @admin/fmt
lint:    ; @admin/lint
docs:    ; @admin/docs
setup:   ; @admin/setup
clean:   ; @admin/clean
