// SPDX-License-Identifier: GPL-3.0-or-later
// Flamenco 3 job type: put this file into the folder "scripts" beside flamenco-manager, as voxrig-batch.js.
// The table's folder must be on the shared storage, and Voxrig enabled in the workers' Blender.

const JOB_TYPE = {
    label: "Voxrig Batch",
    description: "Animate the lines of a table, in chunks, and write a report page",
    settings: [
        { key: "table", type: "string", subtype: "file_path", required: true, description: "Table of lines, .csv or .json" },
        { key: "lines", type: "string", required: true, default: "1-100", description: "Lines of the table, such as 1-200" },
        { key: "chunk_size", type: "int32", default: 20, propargs: { min: 1 }, description: "Lines that one task does" },
        { key: "workers", type: "int32", default: 1, propargs: { min: 1 }, description: "Processes in each task" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    if (!/\.(csv|json)$/i.test(settings.table)) {
        throw new Error("Table: choose a .csv or .json file");
    }
    if (!/^\s*\d+(\s*-\s*\d+)?(\s*,\s*\d+(\s*-\s*\d+)?)*\s*$/.test(settings.lines)) {
        throw new Error("Lines: write them like 1-200 or 3,7-9");
    }
    if (settings.chunk_size < 1 || settings.workers < 1) {
        throw new Error("Chunk Size and Workers: at least 1");
    }

    const prepare = voxrigTask("prepare", settings, ["--dry-run"]);
    job.addTask(prepare);

    const report = voxrigTask("report", settings, ["--report-only"]);
    for (const chunk of frameChunker(settings.lines, settings.chunk_size)) {
        const animate = voxrigTask("animate-" + chunk, settings, ["--part", chunk, "--workers", String(settings.workers)]);
        animate.addDependency(prepare);
        report.addDependency(animate);
        job.addTask(animate);
    }
    job.addTask(report);
}

function voxrigTask(name, settings, options) {
    const task = author.Task(name, "blender");
    task.addCommand(author.Command("exec", {
        exe: "{blender}",
        args: ["--background", "--command", "voxrig", "batch", settings.table].concat(options),
    }));
    return task;
}
