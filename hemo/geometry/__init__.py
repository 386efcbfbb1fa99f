"""From an image or a surface to vessel trees and meshes."""
