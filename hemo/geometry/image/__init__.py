"""Label maps as files give them: voxels with their place in the patient."""
