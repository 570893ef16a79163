# Voxrig. `make demo` and `make test` set up everything they need by themselves; `make help` lists the rest.
# Needs Python 3.11 or 3.13 (both for all of Blender 4.2 to 5.2), git and GNU make.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON311 := $(shell sh tools/setup/find_python.sh 3.11)
PYTHON313 := $(shell sh tools/setup/find_python.sh 3.13)

# .venv is where people work: Blender 4.5 LTS on Python 3.11, or 5.2 LTS where only 3.13 is to be had. Each other
# Blender that these Pythons allow has its own environment in .venvs/, for its tests only.
ifneq ($(PYTHON311),)
MAIN_PYTHON := $(PYTHON311)
MAIN_BLENDER := 4.5
OTHER_BLENDERS := 4.2 5.0 $(if $(PYTHON313),5.2)
else
MAIN_PYTHON := $(PYTHON313)
MAIN_BLENDER := 5.2
OTHER_BLENDERS :=
endif
BLENDERS := $(sort $(MAIN_BLENDER) $(OTHER_BLENDERS))
venv = $(if $(filter $(1),$(MAIN_BLENDER)),.venv,.venvs/$(1))

PY := .venv/bin/python
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
# Test files are shared out over processes, each with a Blender of its own: two use about 3 GB.
JOBS ?= 2
PYTEST := -m pytest
IN_PARALLEL := -n $(JOBS) --dist loadfile
TRAINING_PY := .venv-training/bin/python

.PHONY: help
help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-10s %s\n", $$1, $$2}'

# Environments. A stamp is younger than what it was made from; make remakes what is not.

.venv/.ready: REQUIREMENTS := tools/setup/requirements/development.txt
.venv/.ready: tools/setup/requirements/development.txt tools/setup/requirements/test.txt tools/setup/requirements/runtime.txt \
              tools/setup/requirements/blender-$(MAIN_BLENDER).txt
	$(call make_venv,.venv,$(MAIN_PYTHON),$(MAIN_BLENDER))
	@printf '#!/bin/sh\nexec "$$(dirname "$$(readlink -f "$$0")")/python" -P -m voxrig "$$@"\n' > .venv/bin/voxrig
	@chmod +x .venv/bin/voxrig
	@touch $@

.venvs/%/.ready: REQUIREMENTS := tools/setup/requirements/test.txt
.venvs/%/.ready: tools/setup/requirements/blender-%.txt tools/setup/requirements/test.txt tools/setup/requirements/runtime.txt
	$(call make_venv,.venvs/$*,$(if $(filter 5.2,$*),$(PYTHON313),$(PYTHON311)),$*)
	@touch $@

# make_venv: folder, python, blender version; the requirements are the target's. The package is linked, not copied.
define make_venv
	@if [ -z "$(2)" ]; then echo "Voxrig needs Python 3.11 or 3.13 with its venv module; neither runs here." >&2; exit 1; fi
	@sh tools/setup/system_libraries.sh
	@echo "Setting up $(1) with Blender $(3) as a module (about 1 GB) ..."
	@[ -x $(1)/bin/python ] || "$(2)" -m venv $(1)
	@$(1)/bin/python $(PIP_INSTALL) -r tools/setup/requirements/blender-$(3).txt -r $(REQUIREMENTS)
	@ln -sfn "$(CURDIR)" "$$($(1)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/voxrig"
endef

.venv-training/.ready: tools/setup/requirements/training.txt
	@if [ -z "$(MAIN_PYTHON)" ]; then echo "Voxrig needs Python 3.11 or 3.13." >&2; exit 1; fi
	@[ -x $(TRAINING_PY) ] || "$(MAIN_PYTHON)" -m venv .venv-training
	@$(TRAINING_PY) $(PIP_INSTALL) -r tools/setup/requirements/training.txt
	@ln -sfn "$(CURDIR)" "$$($(TRAINING_PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/voxrig"
	@touch $@

.PHONY: setup
setup: .venv/.ready ## The environment in .venv, with Blender as a module and the command .venv/bin/voxrig

.PHONY: training
training: .venv-training/.ready .venv-training/bin/voxrig-train ## The environment of training/, with PyTorch and the command .venv-training/bin/voxrig-train

.venv-training/bin/voxrig-train: .venv-training/.ready
	@printf '#!/bin/sh\nexec "$$(dirname "$$(readlink -f "$$0")")/python" -P -m voxrig.training.shows.train "$$@"\n' > $@
	@chmod +x $@

# What it is for

.PHONY: demo
demo: .venv/.ready ## Animate the demo character from bundled speech: scene, film, plot and CSV in build/demo
	$(PY) -m voxrig.tools.demo

.PHONY: emotions
emotions: .venv/.ready ## The demo character neutral, with joy and with anger, as a film of three faces in build/demo
	$(PY) -m voxrig.tools.demo.emotions

.PHONY: emoji
emoji: .venv/.ready ## The pose of every smiley on the demo character, as one picture in build/demo
	$(PY) -m voxrig.tools.demo.emoji

.PHONY: blinks
blinks: .venv/.ready ## Blinks that are read from renders of the demo character, found and false, as a table (minutes)
	$(PY) -m voxrig.tools.reports.blinks

.PHONY: benchmark
benchmark: .venv/.ready ## Speed and memory of inference, key writing and registration, as a table
	$(PY) -m voxrig.tools.benchmarks.speed

.PHONY: batch
batch: .venv/.ready ## 200 lines with 2 workers, killed 20 times and resumed, by openjd, and one by one, as a table
	$(PY) -m voxrig.tools.benchmarks.batch

.PHONY: keys
keys: .venv/.ready ## Every way of placing keys: density, errors, times beside Blender's own, and keys that stay untouched
	$(PY) -m voxrig.tools.reports.keys

.PHONY: hostile
hostile: .venv/.ready ## Hundreds of inputs made to break Voxrig, and what came of them, as a table
	$(PY) -m voxrig.tools.reports.hostile

.PHONY: rigs
rigs: .venv/.ready ## How well rigs are recognised, as a table; with further lists: make rigs DATA=<folder>
	$(PY) -m voxrig.tools.reports.rigs $(if $(DATA),--data "$(DATA)")

.PHONY: docs
docs: .venv/.ready ## The pages of docs/ that come from the source: command line, scripting, picture of imports
	$(PY) -m voxrig.tools.reports.pages

.PHONY: pictures
pictures: .venv/.ready ## The manual's pictures, taken of every panel in a real Blender (as make gui)
	$(PY) -m voxrig.tools.release.fetch_wheels --platform linux-x64 --flavour cpu
	sh tests/gui/make_root.sh
	$(PY) $(PYTEST) tests/gui/test_panel_pictures.py
	for file in build/gui/panel_pictures-*.png; do cp "$$file" "docs/images/manual/$${file#build/gui/panel_pictures-}"; done
	@echo "docs/images/panel.jpg is build/gui/tour-4-keys.png, docs/images/mapping.png the tab of build/gui/mapping-2-preview.png"

.PHONY: imports
imports: .venv/.ready ## Which folder imports which; fails on circles
	$(PY) -m voxrig.tools.reports.imports

.PHONY: feeling
feeling: .venv/.ready ## Feelings heard, read and seen beside their floors, as a table: make feeling DATA=<folder>
	$(PY) -m voxrig.tools.reports.feeling --data "$(DATA)"

.PHONY: life
life: .venv/.ready ## Blinks, gaze, brows, head and breath beside published bands, as a table; also with DATA=<folder> (needs flite, festival, espeak-ng)
	$(PY) -m voxrig.tools.reports.life $(if $(DATA),--data "$(DATA)")

.PHONY: life-film
life-film: .venv/.ready ## The demo character as a mask, alive, sad, angry and listening: film, sheet and plot in build/demo
	$(PY) -m voxrig.tools.demo.life

.PHONY: live-film
live-film: .venv/.ready ## A file is spoken live in a real Blender's window, kept as a take and played: film in build/gui (as make gui)
	$(PY) -m voxrig.tools.release.fetch_wheels --platform linux-x64 --flavour cpu
	sh tests/gui/make_root.sh
	FILM=1 $(PY) $(PYTEST) -s tests/gui/test_window.py -k live_session

.PHONY: script-film
script-film: .venv/.ready ## A line with its words, heard alone and with its script; a page with scratch voices, then with recordings: films in build/demo
	$(PY) -m voxrig.tools.demo.script

.PHONY: voices-film
voices-film: .venv/.ready .venv-training/.ready ## The demo character says one line calmly, shouts it and sings it, no slider touched; or SOUNDS="a.wav b.wav"
	$(if $(SOUNDS),,$(TRAINING_PY) -m voxrig.tools.demo.make_voices build/voices)
	$(PY) -m voxrig.tools.demo.voices $(if $(SOUNDS),$(SOUNDS),build/voices/calm.flac build/voices/shouted.flac build/voices/sung.flac)

.PHONY: feeling-film
feeling-film: .venv/.ready ## The demo character says one sentence calmly, angrily and sadly, no slider touched: film, sheet and coloured tracks: make feeling-film DATA=<folder>
	@$(need_data)
	$(PY) -m voxrig.tools.demo.feelings --data "$(DATA)"

.PHONY: faces-film
faces-film: .venv/.ready ## A filmed face beside its take, and pictures beside their poses: make faces-film DATA=<folder> or FILMS="a.mp4 b.mp4"
	@[ -n "$(FILMS)" ] || $(need_data)
	$(PY) -m voxrig.tools.demo.filmed $(FILMS) $(if $(DATA),--data "$(DATA)")

.PHONY: takes-film
takes-film: .venv/.ready ## Five takes of one line by seed as a film and a contact sheet, and takes through three pinned poses with their curves
	$(PY) -m voxrig.tools.demo.takes

.PHONY: script
script: .venv-training/.ready ## Alignment and scripted mouths as a table: make script DATA=<folder>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.evaluation.score_script --data "$(DATA)"

.PHONY: rigs-faces
rigs-faces: .venv/.ready ## One sound on a shape-key face and on a generated Rigify face: scene and picture in build/rigs
	$(PY) -m voxrig.tools.demo.rig_faces

.PHONY: corpus lessons ear fit-ear export-ear train export stream live scores learn takes roundtrip
corpus: .venv-training/.ready ## Training data: make corpus DATA=<folder>; cached in .cache/training, goes on where it stopped
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.corpora.prepare --data "$(DATA)"

lessons: .venv-training/.ready ## Half minutes of hard listening for Speech 2, heard once by Whisper: make lessons DATA=<folder>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.speech.lessons --data "$(DATA)"

ear: .venv-training/.ready ## Train Speech 2 on the lessons; goes on from its last checkpoint
	$(TRAINING_PY) -m voxrig.training.speech.train_ear

fit-ear: .venv-training/.ready ## Fit effort and the mouth's width of the large ear: make fit-ear DATA=<folder>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.speech.fit_heads --data "$(DATA)"

export-ear: .venv-training/.ready ## Write Speech 2 into models/speech
	$(TRAINING_PY) -m voxrig.training.speech.export_ear

train: .venv-training/.ready ## Train the small network (Speech 1 Fast) on that data; goes on from its last checkpoint; with DATA=<folder> it is scored on the way
	$(TRAINING_PY) -m voxrig.training.speech.train $(if $(DATA),--data "$(DATA)")

export: .venv-training/.ready ## Write the small network into models/speech_fast
	$(TRAINING_PY) -m voxrig.training.speech.export

scores: .venv-training/.ready ## Score the bundled model: make scores DATA=<folder of the development sets>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.evaluation.evaluate --data "$(DATA)"

stream: .venv-training/.ready ## Train the streaming model on, taught by Speech 2: make stream DATA=<folder>; goes on from its last checkpoint
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.speech.train_stream --data "$(DATA)" --start training/speech/stream_weights.pt
	$(TRAINING_PY) -m voxrig.training.speech.fit_stream --mix training/speech/stream_weights.pt
	$(TRAINING_PY) -m voxrig.training.speech.export_stream --run .cache/training/runs/stream_fitted

live: .venv-training/.ready ## Score the bundled streaming model as it runs live: make live DATA=<folder of the development sets>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.evaluation.live --data "$(DATA)"

learn: .venv-training/.ready ## Learn the rigs of the data, by Fit and by training (an hour; goes on), and score: make learn DATA=<folder>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.evaluation.score_learning --data "$(DATA)"

takes: .venv-training/.ready ## Train diffusion on the rig of the data (two hours, or minutes with DEVICE=cuda; goes on), and score drawn takes: make takes DATA=<folder>
	@$(need_data)
	$(TRAINING_PY) -m voxrig.training.evaluation.score_takes --data "$(DATA)" $(if $(DEVICE),--device "$(DEVICE)")

roundtrip: .venv/.ready ## Two styles are animated, collected, learned and shown on new sound; also with DATA=<folder>
	$(PY) -m voxrig.tools.reports.roundtrip $(if $(DATA),--data "$(DATA)")

need_data = [ -n "$(DATA)" ] || { echo "Say where the data is: make $@ DATA=<folder>" >&2; exit 1; }

# Checks

.PHONY: test
test: ## All tests that this machine can run, in every Blender that its Pythons allow
	@echo "Testing with Blender $(BLENDERS)"
	@$(MAKE) --no-print-directory --keep-going $(foreach v,$(BLENDERS),test-$(v)) $(if $(wildcard .venv-training/.ready),test-training)

# tests/unit needs no Blender, but Python and numpy differ: 5.0 has those of 4.5, so there it is left out.
.PHONY: $(foreach v,$(BLENDERS),test-$(v))
define test_rule
test-$(1): $(call venv,$(1))/.ready .venv/.ready
	@echo "== Blender $(1)"
	@$(PY) -m voxrig.tools.release.fetch_wheels --platform $(PLATFORM) --flavour cpu
	$(call venv,$(1))/bin/python $(PYTEST) $(IN_PARALLEL) $(if $(filter 5.0,$(1)),,tests/unit) tests/blender tests/install
endef
PLATFORM := $(if $(filter Darwin,$(shell uname -s)),macos-$(if $(filter arm64,$(shell uname -m)),arm64,x64),linux-x64)
$(foreach v,$(BLENDERS),$(eval $(call test_rule,$(v))))

.PHONY: test-training
test-training: .venv-training/.ready
	@echo "== training, with PyTorch"
	$(TRAINING_PY) $(PYTEST) tests/unit/test_speech_network.py tests/unit/test_ear.py tests/unit/test_train_show.py tests/unit/test_train_diffusion.py tests/unit/test_train_speech.py

.PHONY: unit
unit: .venv/.ready ## The quick tests only
	$(PY) $(PYTEST) $(IN_PARALLEL) tests/unit

.PHONY: gui
gui: .venv/.ready ## A real Blender with a window on a virtual screen (Linux, root); pictures in build/gui
	$(PY) -m voxrig.tools.release.fetch_wheels --platform linux-x64 --flavour cpu
	-sh tests/gui/make_root.sh
	$(PY) $(PYTEST) tests/gui

.PHONY: lint
lint: .venv/.ready ## ruff, rules and formatting
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

.PHONY: types
types: .venv/.ready ## pyright, strict where there is no Blender
	$(PY) -m pyright

# The extension

.PHONY: wheels
wheels: .venv/.ready ## Download the pinned wheels of all zips (1.2 GB)
	$(PY) -m voxrig.tools.release.fetch_wheels

.PHONY: zip
zip: .venv/.ready ## The zip for this platform, in dist/
	$(PY) -m voxrig.tools.release.build_extension --platform $(PLATFORM) --flavour cpu

.PHONY: zips
zips: .venv/.ready ## All zips, for every platform, and for NVIDIA graphics cards, in dist/
	$(PY) -m voxrig.tools.release.build_extension

.PHONY: clean
clean: ## Remove what was built; environments and wheels stay
	rm -rf dist build/batch build/demo build/gui build/tests .pytest_cache .ruff_cache .hypothesis
