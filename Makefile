# The doors. Each calls one short script in admin/, which says what it does; CONTRIBUTING.md lists them all.

ARGS ?=

.PHONY: run test bench bench-quick bench-engines wheel sdist install install-engines header fmt lint docs soak fuzz mutants setup clean

run:     ; @admin/run $(ARGS)
test:    ; @admin/test
bench:   ; @admin/bench
bench-quick: ; @admin/bench-quick
bench-engines: ; @admin/bench-engines
wheel:   ; @admin/wheel $(ARGS)
sdist:   ; @admin/sdist
install: ; @PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' FEATURES='$(FEATURES)' admin/install
install-engines: ; @PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' FEATURES='$(FEATURES)' ENGINES='$(ENGINES)' admin/install-engines
header:  ; @admin/header
fmt:     ; @admin/fmt
lint:    ; @admin/lint
docs:    ; @admin/docs
soak:    ; @admin/soak $(ARGS)
fuzz:    ; @admin/fuzz $(ARGS)
mutants: ; @admin/mutants $(ARGS)
setup:   ; @admin/setup
clean:   ; @admin/clean
