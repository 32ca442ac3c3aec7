# The two commands of README: `make demo` and `make test`. Both install what is missing first.
.PHONY: demo test lint benchmark macromodels clean

demo:
	@.ci/setup
	.venv/bin/ftj-spice doctor
	.venv/bin/ftj-spice generate -n 64 --seed 1 -j 2 -o demo-run --force

test:
	@.ci/setup test
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -n 2 --dist loadfile

benchmark:
	@.ci/setup test
	.venv/bin/python benchmarks/engine.py
	.venv/bin/python benchmarks/latents.py
	.venv/bin/python benchmarks/loop.py
	.venv/bin/python benchmarks/device.py
	.venv/bin/python benchmarks/noise.py
	.venv/bin/python benchmarks/fit.py
	.venv/bin/python benchmarks/arrays.py
	.venv/bin/python benchmarks/program.py
	.venv/bin/python benchmarks/vmm.py
	.venv/bin/python benchmarks/sampling.py
	.venv/bin/python benchmarks/sp800_22.py
	.venv/bin/python benchmarks/sp800_90b.py
	.venv/bin/python benchmarks/pdk.py
	.venv/bin/python benchmarks/periphery.py
	.venv/bin/python benchmarks/periphery_offset.py
	.venv/bin/python benchmarks/periphery_rtn.py
	.venv/bin/python benchmarks/periphery_chain.py
	.venv/bin/python benchmarks/periphery_macromodel.py
	.venv/bin/python benchmarks/periphery_images.py

# The packaged macromodels whose circuits have changed since they were made, in both processes: up to an hour.
macromodels:
	@.ci/setup test
	.venv/bin/python benchmarks/periphery_models.py

clean:
	rm -rf .venv demo-run build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
