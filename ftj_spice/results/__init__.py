"""What a run leaves behind: run directories, manifests, waveforms, labelled arrays, plots and the HTML report."""
